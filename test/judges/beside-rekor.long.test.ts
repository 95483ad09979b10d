/** A stock Rekor of the second version beside Mayfly: stock clients, who demand an entry in a log, sign and verify with their default flags and the exported files. */
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { bundleFromJSON, bundleToJSON } from '@sigstore/bundle';
import { SigningConfig, TrustedRoot } from '@sigstore/protobuf-specs';
import { bundleBuilderFromSigningConfig } from '@sigstore/sign';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import { expect } from 'chai';
import { runMayfly } from '../support/mayfly.ts';
import {
  SIGNER,
  startExported,
  type ExportedFile,
  type ExportedInstance,
} from './support/exported-instance.ts';
import { findClient, needClient } from './support/stock-clients.ts';
import { exportWith, startRekor, type StockRekor } from './support/stock-rekor.ts';

const run = promisify(execFile);

/** The least that sigstore-python takes for one. */
const PROVENANCE = {
  buildDefinition: { buildType: 'https://example.com/build', externalParameters: {} },
  runDetails: { builder: { id: 'https://example.com/builder' } },
};

describe('judge: clients beside a stock Rekor', function () {
  this.timeout(600_000);
  let service: ExportedInstance | undefined;
  let rekor: StockRekor | undefined;
  let exported: (name: ExportedFile) => string;

  before(async function () {
    const program = await needClient(this, 'rekor-tiles-2.3.0');
    service = await startExported();
    rekor = await startRekor(program, service.scratch);
    exported = await exportWith(service, rekor);
    await writeFile(at('predicate.json'), '{"made":"here"}');
    // The first entry has the index 0, which not every client reads when it is left out.
    await byMayfly('sign', 'first.json');
  });

  after(async () => {
    await rekor?.stop();
    await service?.stop();
  });

  const running = (): ExportedInstance => {
    if (service === undefined) throw new Error('the service does not run');
    return service;
  };
  const at = (name: string): string => join(running().scratch, name);

  /** A program of others: no home, no token but those that the line names. What it printed, or `refused: ` before it. */
  const client = (program: string, words: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> =>
    run(program, words, { env: { PATH: process.env['PATH'], HOME: running().scratch, ...env } }).then(
      ({ stdout, stderr }) => `${stdout}${stderr}`,
      (error: unknown) => {
        const { stdout, stderr } = error as { stdout: string; stderr: string };
        return `refused: ${stdout}${stderr}`;
      },
    );

  async function byMayfly(command: string, bundle: string, ...more: string[]): Promise<void> {
    const env = { SIGSTORE_ID_TOKEN: await running().token(SIGNER) };
    const config = ['--trust-config', exported('client_trust_config.json'), '--bundle', at(bundle)];
    const words = [command, running().artifact, ...config, ...more];
    const { code, stderr } = await runMayfly(words, { byLauncher: 'built', env });
    expect(code, stderr).to.equal(0);
  }

  /** `mayfly verify bundle`, with its default demands. */
  async function expectVerifiedByMayfly(bundle: string, ...more: string[]): Promise<void> {
    const { artifact, issuerUrl } = running();
    const who = [
      '--identity',
      SIGNER,
      '--issuer',
      issuerUrl,
      '--trusted-root',
      exported('trusted_root.json'),
    ];
    const words = ['verify', 'bundle', at(bundle), '--artifact', artifact, ...who, ...more];
    const { code, stdout, stderr } = await runMayfly(words, { byLauncher: 'built' });
    expect(code, `${stdout}${stderr}`).to.equal(0);
    expect(stdout).to.match(/entr(y|ies)/);
  }

  const COSIGN_TYPES: Readonly<Record<string, string>> = {
    'verify-blob': '',
    'verify-blob-attestation': 'custom',
  };

  const verifyWithCosign = (
    cosign: string,
    command: 'verify-blob' | 'verify-blob-attestation',
    bundle: string,
    identity = SIGNER,
  ): Promise<string> => {
    const { artifact, issuerUrl } = running();
    const type = COSIGN_TYPES[command] ?? '';
    return client(cosign, [
      ...[command, '--bundle', at(bundle), '--trusted-root', exported('trusted_root.json')],
      ...(type === '' ? [] : ['--type', type]),
      ...['--certificate-identity', identity, '--certificate-oidc-issuer', issuerUrl, artifact],
    ]);
  };

  const verifyWithPython = (python: string, bundle: string, identity = SIGNER): Promise<string> => {
    const { artifact, issuerUrl } = running();
    return client(python, [
      ...['-m', 'sigstore', '--trust-config', exported('client_trust_config.json'), 'verify', 'identity'],
      ...['--bundle', at(bundle), '--cert-identity', identity, '--cert-oidc-issuer', issuerUrl, artifact],
    ]);
  };

  it('mayfly signs and attests; cosign and sigstore-python verify', async () => {
    await byMayfly('sign', 'second.json');
    await byMayfly('attest', 'statement.json', '--predicate', at('predicate.json'), '--type', 'custom');
    const cosign = await findClient('cosign-3.1.2');
    if ('program' in cosign) {
      for (const bundle of ['first.json', 'second.json'])
        expect(await verifyWithCosign(cosign.program, 'verify-blob', bundle)).to.contain('Verified OK');
      const outcome = await verifyWithCosign(cosign.program, 'verify-blob-attestation', 'statement.json');
      expect(outcome).to.contain('Verified OK');
    } else console.warn(`      NOT TESTED: ${cosign.lacking}`);
    const python = await findClient('sigstore-python-4.5.1');
    if ('program' in python)
      for (const bundle of ['first.json', 'second.json', 'statement.json'])
        expect(await verifyWithPython(python.program, bundle)).to.not.match(/^refused/);
    else console.warn(`      NOT TESTED: ${python.lacking}`);
  });

  it('sigstore-python signs, attests and verifies by its own program', async function () {
    const python = await needClient(this, 'sigstore-python-4.5.1');
    const sigstore = async (...words: readonly string[]): Promise<string> => {
      const config = ['-m', 'sigstore', '--trust-config', exported('client_trust_config.json')];
      const token = ['--identity-token', await running().token(SIGNER)];
      return client(python, [...config, ...words, ...token, running().artifact]);
    };
    expect(await sigstore('sign', '--bundle', at('python.json'))).to.not.match(/^refused/);
    expect(await verifyWithPython(python, 'python.json')).to.match(/^OK: /);
    const refused = await verifyWithPython(python, 'python.json', 'eve@example.com');
    expect(refused).to.match(/^refused: .*SANs do not match/s);
    await writeFile(at('provenance.json'), JSON.stringify(PROVENANCE));
    const predicate = [
      '--predicate',
      at('provenance.json'),
      '--predicate-type',
      'https://slsa.dev/provenance/v1',
    ];
    const attested = await sigstore('attest', ...predicate, '--bundle', at('python-statement.json'));
    expect(attested).to.not.match(/^refused/);
    expect(await verifyWithPython(python, 'python-statement.json')).to.match(/^OK: /m);
    await expectVerifiedByMayfly('python.json');
    await expectVerifiedByMayfly('python-statement.json');
  });

  it('cosign signs, attests and verifies', async function () {
    const cosign = await needClient(this, 'cosign-3.1.2');
    const sign = async (command: string, bundle: string, ...more: readonly string[]): Promise<string> =>
      client(cosign, [
        ...[command, '-y', '--signing-config', exported('signing_config.v0.2.json')],
        ...['--trusted-root', exported('trusted_root.json'), '--bundle', at(bundle), ...more],
        ...['--identity-token', await running().tokenFile(), running().artifact],
      ]);
    expect(await sign('sign-blob', 'cosign.json')).to.not.match(/^refused|sigstore\.dev/);
    expect(await verifyWithCosign(cosign, 'verify-blob', 'cosign.json')).to.contain('Verified OK');
    const refused = await verifyWithCosign(cosign, 'verify-blob', 'cosign.json', 'eve@example.com');
    expect(refused).to.match(/^refused: .*expected SAN value/s);
    await expectVerifiedByMayfly('cosign.json');
    const statement = ['--predicate', at('predicate.json'), '--type', 'custom'];
    expect(await sign('attest-blob', 'cosign-statement.json', ...statement)).to.not.match(/^refused/);
    const outcome = await verifyWithCosign(cosign, 'verify-blob-attestation', 'cosign-statement.json');
    expect(outcome).to.contain('Verified OK');
    await expectVerifiedByMayfly('cosign-statement.json');
  });

  it('sigstore-js signs by the signing configuration, and verifies with its default thresholds', async () => {
    const json = async (name: ExportedFile): Promise<unknown> =>
      JSON.parse(await readFile(exported(name), 'utf8'));
    const token = await running().token(SIGNER);
    const data = await readFile(running().artifact);
    const builder = bundleBuilderFromSigningConfig({
      signingConfig: SigningConfig.fromJSON(await json('signing_config.v0.2.json')),
      identityProvider: { getToken: () => Promise.resolve(token) },
      bundleType: 'messageSignature',
    });
    const bundle = bundleToJSON(await builder.create({ data }));
    await writeFile(at('js.json'), JSON.stringify(bundle));
    const verifier = new Verifier(toTrustMaterial(TrustedRoot.fromJSON(await json('trusted_root.json'))));
    const verify = (identity: string) => (): unknown =>
      verifier.verify(toSignedEntity(bundleFromJSON(bundle), data), {
        subjectAlternativeName: identity,
        extensions: { issuer: running().issuerUrl },
      });
    expect(verify(SIGNER)).not.to.throw();
    expect(verify('eve@example.com')).to.throw(/identity/);
    await expectVerifiedByMayfly('js.json');
  });

  it('gitsign signs a commit, whose log of the second version it does not know when it verifies', async function () {
    const gitsign = await needClient(this, 'gitsign-0.17.1');
    const { url, issuerUrl } = running();
    const trust = {
      SIGSTORE_ROOT_FILE: exported('chain.pem'),
      SIGSTORE_CT_LOG_PUBLIC_KEY_FILE: exported('log.pub.pem'),
      SIGSTORE_REKOR_PUBLIC_KEY: rekor?.publicKey,
    };
    const git = (words: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> =>
      client('git', ['-C', at('repository'), ...words], { ...trust, ...env });
    await client('git', ['init', '--quiet', at('repository')]);
    const settings = {
      'user.name': 'Ada',
      'user.email': SIGNER,
      'commit.gpgsign': 'true',
      'gpg.format': 'x509',
      'gpg.x509.program': gitsign,
      'gitsign.fulcio': url,
      'gitsign.issuer': issuerUrl,
      'gitsign.rekor': rekor?.url ?? '',
      'gitsign.rekorVersion': '2',
      'gitsign.rekorMode': 'offline',
      'gitsign.timestampServerURL': `${url}/api/v1/timestamp`,
    };
    for (const [name, value] of Object.entries(settings)) await git(['config', name, value]);
    const token = { SIGSTORE_ID_TOKEN: await running().token(SIGNER) };
    expect(await git(['commit', '--quiet', '--allow-empty', '-m', 'signed'], token)).to.not.match(/^refused/);
    await expectSignedCommit(await git(['cat-file', 'commit', 'HEAD']));
    const who = ['--certificate-identity', SIGNER, '--certificate-oidc-issuer', issuerUrl];
    const alias = `!"${gitsign}" verify ${who.join(' ')} HEAD`;
    const outcome = await git(['-c', `alias.judge=${alias}`, 'judge']);
    expect(outcome).to.match(/^refused: .*not enough verified log entries from transparency log/s);
  });

  /** OpenSSL takes the commit's signature for one by a certificate of this CA for the signer. */
  async function expectSignedCommit(commit: string): Promise<void> {
    const signature = /^gpgsig (.*?)-----END SIGNED MESSAGE-----\n(?: \n)?/ms.exec(commit);
    const pem = signature?.[0]
      .replace(/^gpgsig /, '')
      .replace(/^ /gm, '')
      .replaceAll('SIGNED MESSAGE', 'CMS');
    await writeFile(at('commit.cms'), pem?.trim() ?? '');
    await writeFile(at('commit'), commit.replace(signature?.[0] ?? '', ''));
    const files = ['-inform', 'PEM', '-in', at('commit.cms'), '-content', at('commit'), '-binary'];
    const trust = ['-CAfile', exported('chain.pem'), '-purpose', 'any'];
    const signer = ['-signer', at('commit.pem'), '-out', at('commit.out')];
    expect(await client('openssl', ['cms', '-verify', ...files, ...trust, ...signer])).to.not.match(
      /^refused/,
    );
    const leaf = new X509Certificate(await readFile(at('commit.pem')));
    expect(leaf.subjectAltName).to.equal(`email:${SIGNER}`);
  }
});
