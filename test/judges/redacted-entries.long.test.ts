/** Signatures whose entries an operator redacts: their bundles verify offline as before, and who asks the log for one of them is refused, by each client in its own words. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { fromBase64, toHex } from '../../core/bytes.ts';
import { encodePem } from '../../core/pem.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { hashLeaf } from '../../tlog/format/merkle.ts';
import { runMayfly, type MayflyResult } from '../support/mayfly.ts';
import { SIGNER, startExported, type ExportedInstance } from './support/exported-instance.ts';
import { needClient } from './support/stock-clients.ts';

const run = promisify(execFile);

/** What is signed: of each log, one entry that is redacted and one that stays. */
const NAMES = ['v1-gone', 'v1-kept', 'v2-gone', 'v2-kept'] as const;
type Name = (typeof NAMES)[number];

/** What a bundle says of its entry. */
interface Entry {
  readonly logIndex: string;
  readonly canonicalizedBody: string;
}

describe('judge: entries that are redacted', function () {
  this.timeout(600_000);
  let scratch: string;
  let service: ExportedInstance | undefined;
  /** Of the service that issued the certificates; the one that goes on with its directory has another. */
  let issuer: string;

  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'mayfly-redacted-'));
    service = await startExported({ data: at('data') });
    issuer = running().issuerUrl;
    for (const name of NAMES) await sign(name);
    await running().stop();
    await redact('v1', await entryOf('v1-gone'));
    await redact('v2', await entryOf('v2-gone'));
    service = await startExported({ data: at('data') });
  });
  after(async () => {
    await service?.stop();
    await rm(scratch, { recursive: true, force: true });
  });

  const running = (): ExportedInstance => {
    if (service === undefined) throw new Error('the service does not run');
    return service;
  };
  const at = (name: string): string => join(scratch, name);
  const mayfly = (...words: readonly string[]): Promise<MayflyResult> =>
    runMayfly(words, { byLauncher: 'built' });

  /** Signs a file of that name, with an entry in the log that it names. */
  async function sign(name: Name): Promise<void> {
    await writeFile(at(name), `what ${name} is`);
    const config = JSON.parse(await readFile(running().exported('client_trust_config.json'), 'utf8')) as {
      readonly signingConfig: { readonly rekorTlogUrls: readonly object[] };
    };
    const { rekorTlogUrls } = config.signingConfig;
    const logs = rekorTlogUrls.map((log) => ({ ...log, majorApiVersion: Number(name[1]) }));
    const signingConfig = { ...config.signingConfig, rekorTlogUrls: logs };
    await writeFile(at('config.json'), JSON.stringify({ ...config, signingConfig }));
    const token = ['--token-file', await running().tokenFile()];
    const words = [
      'sign',
      at(name),
      '--trust-config',
      at('config.json'),
      ...token,
      '--bundle',
      bundleOf(name),
    ];
    const { code, stderr } = await mayfly(...words);
    expect(code, stderr).to.equal(0);
  }

  const bundleOf = (name: Name): string => at(`${name}.sigstore.json`);

  async function entryOf(name: Name): Promise<Entry & { readonly leafHash: string }> {
    const { verificationMaterial } = JSON.parse(await readFile(bundleOf(name), 'utf8')) as {
      readonly verificationMaterial: { readonly tlogEntries: readonly [Entry] };
    };
    const [entry] = verificationMaterial.tlogEntries;
    const body = Buffer.from(entry.canonicalizedBody, 'base64');
    return { ...entry, leafHash: toHex(hashLeaf(sha256, body)) };
  }

  /** As an operator does: looks first, and confirms. */
  async function redact(api: 'v1' | 'v2', { logIndex }: Entry): Promise<void> {
    const words = ['rekor', 'redact', '--data', at('data'), `--${api}`, '--index', logIndex];
    const reason = ['--reason', 'case 17', '--json'];
    const shown = await mayfly(...words, ...reason);
    expect(shown.code, shown.stderr).to.equal(0);
    const { confirm } = JSON.parse(shown.stdout) as { readonly confirm: string };
    const { code, stderr } = await mayfly(...words, ...reason, '--confirm', confirm);
    expect(code, stderr).to.equal(0);
  }

  /** A program of others, with an empty home and no file but those that the service hands out: what it printed, or `refused: ` before it. */
  const client = (program: string, ...words: readonly string[]): Promise<string> => {
    const files = {
      SIGSTORE_ROOT_FILE: running().exported('chain.pem'),
      SIGSTORE_CT_LOG_PUBLIC_KEY_FILE: running().exported('log.pub.pem'),
      SIGSTORE_REKOR_PUBLIC_KEY: running().exported('rekor.pub'),
    };
    const env = { PATH: process.env['PATH'], HOME: scratch, ...files };
    return run(program, words, { env }).then(
      ({ stdout, stderr }) => `${stdout}${stderr}`,
      (error: unknown) => {
        const { stdout, stderr } = error as { stdout: string; stderr: string };
        return `refused: ${stdout}${stderr}`;
      },
    );
  };
  const who = (): readonly string[] => [
    ...['--certificate-identity', SIGNER, '--certificate-oidc-issuer', issuer],
  ];

  /** The options that trust what the running service exported. */
  const trust = (option: string): readonly string[] => [option, running().exported('trusted_root.json')];

  it('mayfly verify bundle verifies them as before', async () => {
    for (const name of NAMES) {
      const whom = ['--identity', SIGNER, '--issuer', issuer];
      const words = [bundleOf(name), '--artifact', at(name), ...whom, ...trust('--trusted-root')];
      const { code, stdout, stderr } = await mayfly('verify', 'bundle', ...words);
      expect(code, `${name}: ${stdout}${stderr}`).to.equal(0);
      expect(stdout).to.match(/^ok +entry-proof /m);
    }
  });

  it('mayfly log proof proves them, from the directory and at a URL', async () => {
    const prove = (...words: readonly string[]): Promise<MayflyResult> => mayfly('log', 'proof', ...words);
    const atUrl = ['--url', running().url, ...trust('--trust')];
    for (const name of NAMES) {
      const { logIndex } = await entryOf(name);
      const entry = ['--entry', logIndex, `--${name.slice(0, 2)}`];
      for (const which of [[bundleOf(name)], entry]) {
        const { code, stderr } = await prove(...which, '--data', at('data'));
        expect(code, stderr).to.equal(0);
        const { leafHash } = await entryOf(name);
        const asked = await prove(...which, ...atUrl, '--json');
        expect(asked.code, asked.stderr).to.equal(0);
        const proven = JSON.parse(asked.stdout) as { readonly leafHash: string };
        expect(toHex(fromBase64(proven.leafHash))).to.equal(leafHash);
      }
    }
  });

  it('cosign 3.1.2 verifies the bundles as before', async function () {
    const cosign = await needClient(this, 'cosign-3.1.2');
    for (const name of NAMES) {
      const times = name.startsWith('v2') ? ['--use-signed-timestamps'] : [];
      const words = ['--bundle', bundleOf(name), ...trust('--trusted-root'), ...times, ...who()];
      expect(await client(cosign, 'verify-blob', ...words, at(name)), name).to.contain('Verified OK');
    }
  });

  // The newer one by flags that it warns of.
  for (const [version, flags] of [
    ['2.6.3', []],
    ['3.1.2', ['--new-bundle-format=false']],
  ] as const)
    it(`cosign ${version} without a bundle asks the log, and refuses the redacted one`, async function () {
      const cosign = await needClient(this, `cosign-${version}`);
      const verify = async (name: Name): Promise<string> => {
        const { signature, certificate } = await partsOf(name);
        const parts = ['--signature', signature, '--certificate', certificate];
        const asked = ['--rekor-url', running().url, ...flags, ...who()];
        return client(cosign, 'verify-blob', ...parts, ...asked, at(name));
      };
      expect(await verify('v1-kept')).to.contain('Verified OK');
      expect(await verify('v1-gone')).to.match(/^refused: .*signature not found in transparency log/s);
    });

  it('rekor-cli reads, verifies and finds no redacted entry, and cannot log it again', async function () {
    const cli = await needClient(this, 'rekor-cli-1.5.4');
    const rekor = (command: string, ...words: readonly string[]): Promise<string> =>
      client(cli, command, '--rekor_server', running().url, ...words);
    const askedOf = async (name: Name): Promise<readonly string[]> => {
      const { signature, certificate } = await partsOf(name);
      const { leafHash, logIndex } = await entryOf(name);
      const parts = ['--artifact', at(name), '--signature', signature, '--public-key', certificate];
      const entry = ['--type', 'hashedrekord', ...parts, '--pki-format', 'x509'];
      return Promise.all([
        rekor('get', '--log-index', logIndex),
        rekor('get', '--uuid', leafHash),
        rekor('upload', ...entry),
        rekor('verify', ...entry),
        rekor('verify', '--uuid', leafHash),
        rekor('verify', '--log-index', logIndex),
        rekor('search', '--artifact', at(name)),
      ]);
    };
    for (const said of await askedOf('v1-kept')) expect(said).to.not.match(/^refused/);
    const [byIndex, byId, upload, ...searched] = await askedOf('v1-gone');
    for (const said of [byIndex, byId, upload])
      expect(said).to.match(/^refused: .*\[410\].*the entry with index 1 is redacted: /);
    const located = 'refused: entry in log cannot be located\n';
    const found = 'refused: no matching entries found\n';
    expect(searched).to.deep.equal([located, located, located, found]);
  });

  /** The files of a signature and of its certificate, as clients took them before there were bundles. */
  async function partsOf(name: Name): Promise<{ readonly signature: string; readonly certificate: string }> {
    const { messageSignature, verificationMaterial } = JSON.parse(await readFile(bundleOf(name), 'utf8')) as {
      readonly messageSignature: { readonly signature: string };
      readonly verificationMaterial: { readonly certificate: { readonly rawBytes: string } };
    };
    const der = Buffer.from(verificationMaterial.certificate.rawBytes, 'base64');
    const files = { signature: at(`${name}.sig`), certificate: at(`${name}.pem`) };
    await writeFile(files.signature, Buffer.from(messageSignature.signature, 'base64'));
    await writeFile(files.certificate, encodePem('CERTIFICATE', der));
    return files;
  }
});
