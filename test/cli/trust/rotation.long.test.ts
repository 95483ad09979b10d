import { createHash } from 'node:crypto';
import { copyFile, cp, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { rfc3339 } from '../../../core/clock.ts';
import { decodePem, encodePem } from '../../../core/pem.ts';
import { parseTrustedRoot, type TrustedRoot } from '../../../trust/format/trusted-root.ts';
import { failureOf } from '../../support/failure.ts';
import { documentedBlocks, runBlock } from '../../support/documented-blocks.ts';
import { ANYWHERE, startMayfly } from '../../support/mayfly.ts';
import {
  judge,
  expectAccepted,
  RenewableInstance,
  stockComplaint,
} from '../../trust/support/renewable-instance.ts';

const PAGE = 'rotation.md';

describe('docs/rotation.md, to the letter', function () {
  this.timeout(300_000);
  /** Made once, and copied for each test. */
  let made: string;
  let scratch: string;
  let ca: RenewableInstance;
  before(async () => {
    scratch = made = await mkdtemp(join(tmpdir(), 'mayfly-rotation-'));
    await run('mayfly init --data /var/lib/mayfly --root-key-out root.key.pem --origin localhost/log/2026');
    const pems = await readFile(join(made, 'data/ca/chain.pem'), 'utf8');
    await writeFile(join(made, 'root.pem'), pems.slice(pems.lastIndexOf('-----BEGIN')));
  });
  after(() => rm(made, { recursive: true }));
  beforeEach(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'mayfly-rotation-'));
    await cp(made, scratch, { recursive: true });
    ca = RenewableInstance.at(scratch, 'data');
  });
  afterEach(() => rm(scratch, { recursive: true }));

  const run = (block: string, values: Readonly<Record<string, string>> = {}): Promise<string> =>
    runBlock(block, scratch, { '/var/lib/mayfly': 'data', ...values });

  const fingerprint = async (place = 0): Promise<string> =>
    hashOf(decodePem(await readFile(ca.paths.chain, 'latin1')).at(place)?.bytes);
  const hashOf = (der: Uint8Array | undefined): string =>
    createHash('sha256')
      .update(der ?? '')
      .digest('hex');

  /** New keys of the server are encrypted, and those of a new root; the root key that there is has no passphrase, and none is needed that the page names. */
  const PASSPHRASES = { '/run/secrets/mayfly': 'pass' };
  const passphrases = async (): Promise<void> => {
    for (const [name, text] of [
      ['pass', 'secret'],
      ['root-passphrase', 'old'],
      ['root2-passphrase', 'new'],
    ] as const)
      await writeFile(ca.path(name), `${text}\n`, { mode: 0o600 });
  };
  const handedOut = async (): Promise<TrustedRoot> =>
    parseTrustedRoot(await readFile(ca.path('trust/trusted_root.json'), 'utf8'));

  const WITHOUT_SERVICE = {
    'systemctl stop mayfly': ':',
    'systemctl start mayfly': ':',
    ' --passphrase-file /run/secrets/mayfly': '',
  };

  it('a new root: published beside the old one, then in force, then the old one ends', async () => {
    const [ask = '', sign = '', stage = '', switchOver = ''] = await documentedBlocks(PAGE, 'A new root');
    await passphrases();
    // As on a server: its keys have a passphrase, and so has the new root's.
    await run('mayfly keys passphrase --data /var/lib/mayfly --new-passphrase-file pass');
    ca = RenewableInstance.at(scratch, 'data', 'secret');
    const before = await ca.sign();
    await run(ask, PASSPHRASES);
    await run(sign);
    expect(await run(stage, PASSPHRASES)).to.match(
      /new root CN=Example root G2, O=Example|new root O=Example, CN=Example root G2/,
    );
    const during = await ca.sign();
    const handedOut = await ca.trustedRoot();
    const former = await fingerprint();
    await run(switchOver, PASSPHRASES);
    const after = await ca.sign();
    await expectAccepted(handedOut, { before, during, after });
    const [end = ''] = await documentedBlocks(PAGE, 'The end of a window');
    await run(end, { FINGERPRINT: former });
    const ended = await ca.trustedRoot();
    expect(ended.certificateAuthorities.map(({ window }) => window.end)).to.include(Date.UTC(2027, 0, 1));
    await expectAccepted(ended, { before, during, after });
  });

  it('a stolen key of the issuing CA: its copies are refused from then on', async () => {
    const [end = '', discard = '', renew = ''] = await documentedBlocks(
      PAGE,
      'A stolen key of the issuing CA',
    );
    await passphrases();
    const before = await ca.sign();
    // A successor was asked for.
    await run(
      'mayfly ca renew --data /var/lib/mayfly --csr waiting.pem --passphrase-file /run/secrets/mayfly',
      PASSPHRASES,
    );
    const waiting = await readFile(ca.paths.nextIntermediateKey);
    await cp(ca.data, ca.path('stolen'), { recursive: true });
    const at = rfc3339(Math.ceil((before.time + 1000) / 1000) * 1000);
    await run(end, { FINGERPRINT: await fingerprint(), '--at T': `--at ${at}` });
    await run(discard, PASSPHRASES);
    await run(renew, PASSPHRASES);
    ca = RenewableInstance.at(scratch, 'data', 'secret');
    expect(await readFile(ca.paths.intermediateKey)).not.to.deep.equal(waiting);
    ca.skew = 60_000;
    const after = await ca.sign();
    const root = await handedOut();
    await expectAccepted(root, { before, after });
    for (const part of ['ca', 'keys'])
      await cp(join(ca.path('stolen'), part), join(ca.data, part), { recursive: true });
    const stolen = await ca.sign();
    expect(await judge(stolen, root, true)).to.include({ ok: false, fault: 'trust' });
    expect(stockComplaint(stolen, root)).not.to.equal(undefined);
  });

  it('a stolen root key: what hangs below it is refused from then on, and another root takes its place', async () => {
    const [end = '', ask = '', sign = '', install = ''] = await documentedBlocks(PAGE, 'A stolen root key');
    await passphrases();
    const before = await ca.sign();
    const old = await ca.trustedRoot();
    const at = Math.ceil((before.time + 2000) / 1000) * 1000;
    await run(end, { FINGERPRINT: await fingerprint(-1), '--at T': `--at ${rfc3339(at)}` });
    // The thief has the root key alone, and certifies a CA and a key for timestamps of his own. That his certificate has an SCT is more than he could do.
    await cp(ca.data, ca.path('thief'), { recursive: true });
    await run(`mayfly ca renew --data thief --csr thief.pem
      mayfly ca sign thief.pem --root root.pem --root-key root.key.pem --out thief-chain.pem
      mayfly ca renew --data thief --install thief-chain.pem
      mayfly tsa renew --data thief --stage --root-key root.key.pem
      mayfly tsa renew --data thief --switch`);

    const lines = (text: string, pattern: RegExp): string =>
      text
        .split('\n')
        .filter((line) => pattern.test(line))
        .join('\n');
    await run(ask, PASSPHRASES);
    await run(sign, PASSPHRASES);
    const said = await run(lines(install, /mayfly (ca|tsa) renew/), PASSPHRASES);
    const [, former = ''] = /trust end .*--tsa (\S+)/.exec(said) ?? [];
    expect(former, said).to.match(/^[0-9a-f]{64}$/);
    await run(lines(install, /trust end/), { FINGERPRINT: former });
    await run(lines(install, /trust export/));
    const root = await handedOut();

    ca = RenewableInstance.at(scratch, 'data', 'secret');
    ca.skew = at - Date.now() + 60_000;
    const thief = RenewableInstance.at(scratch, 'thief');
    thief.skew = ca.skew;
    const [after, stolen] = [await ca.sign(), await thief.sign()];
    await expectAccepted(root, { before, after });
    // Who has the old files alone is let down by them both ways.
    expect(await judge(stolen, old, true), 'a CA that is presented, by the old files').to.include({
      ok: true,
    });
    expect(await judge(after, old), 'the new root, by the old files').to.include({
      ok: false,
      fault: 'trust',
    });
    expect(stockComplaint(after, old), 'the new root, by the old files').not.to.equal(undefined);
    expect(await judge(stolen, root, true)).to.include({ ok: false, fault: 'trust' });
    for (const trust of [old, root]) expect(stockComplaint(stolen, trust)).not.to.equal(undefined);
    // The PEM files have the new root alone.
    expect(decodePem(await readFile(ca.path('trust/root.pem'), 'utf8'))).to.have.length(1);
    expect(await fingerprint(-1)).to.equal(
      hashOf(decodePem(await readFile(ca.path('trust/root.pem'), 'utf8'))[0]?.bytes),
    );
  });

  it('another URL: old and new certificates verify by old and new files', async () => {
    const [exportTo = ''] = await documentedBlocks(PAGE, 'The service moves, or gets another URL');
    const urls = async (publicUrl: string): Promise<string[]> => {
      await writeFile(ca.paths.config, `oidc-issuers: {}\nmayfly:\n  public-url: ${publicUrl}\n`);
      await run(exportTo);
      const root = parseTrustedRoot(await readFile(ca.path('trust/trusted_root.json'), 'utf8'));
      return [root.certificateAuthorities, root.certificateLogs]
        .flat()
        .map((entry) => ('uri' in entry ? entry.uri : entry.baseUrl));
    };
    const before = await ca.sign();
    expect(await urls('https://old.example.com')).to.satisfy((all: string[]) =>
      all.every((url) => url.startsWith('https://old.example.com')),
    );
    await cp(ca.path('trust'), ca.path('old-trust'), { recursive: true });
    // The directory moves, too.
    await cp(ca.data, ca.path('moved'), { recursive: true });
    await rm(ca.data, { recursive: true });
    await cp(ca.path('moved'), ca.data, { recursive: true });
    expect(await urls('https://new.example.com')).to.satisfy((all: string[]) =>
      all.every((url) => url.startsWith('https://new.example.com')),
    );
    const after = await ca.sign();
    for (const [name, artifact] of Object.entries({ before, after })) {
      await writeFile(ca.path(`${name}.pem`), encodePem('CERTIFICATE', artifact.certificate));
      for (const trust of ['trust', 'old-trust'])
        await run(`mayfly verify certificate ${name}.pem --trust ${trust} --any-identity`);
    }
  });

  it('a restored backup: what was recorded since comes back from what was handed out', async () => {
    const [take = ''] = await documentedBlocks(PAGE, 'A restored backup');
    await cp(ca.data, ca.path('backup'), { recursive: true });
    const old = await ca.sign();
    const former = await fingerprint();
    await run(`mayfly ca renew --data /var/lib/mayfly --csr request.pem
      mayfly ca sign request.pem --root root.pem --root-key root.key.pem --out chain.pem
      mayfly ca renew --data /var/lib/mayfly --install chain.pem`);
    const renewed = await ca.sign();
    const [end = ''] = await documentedBlocks(PAGE, 'The end of a window');
    await run(end, { FINGERPRINT: former });
    await run('mayfly trust export --data /var/lib/mayfly --public-url https://ca.example.com --out trust');
    // The disk is lost, and with it all but the backup.
    await rm(ca.data, { recursive: true });
    await cp(ca.path('backup'), ca.data, { recursive: true });
    expect((await ca.trustedRoot()).certificateAuthorities).to.have.length(1);
    const exportTo =
      'mayfly trust export --data /var/lib/mayfly --public-url https://ca.example.com --out trust';
    const early = await failureOf(run(exportTo));
    expect(String(early), 'before the import').to.include('which this instance does not know');
    const said = await run(take);
    expect(said).to.match(/Taken, to be trusted beside our own:\n +CA .*intermediate 2/);
    const root = await ca.trustedRoot();
    await expectAccepted(root, { old, renewed });
    expect(root.certificateAuthorities.map(({ window }) => window.end)).to.include(Date.UTC(2027, 0, 1));
    await copyFile(ca.path('trust/trusted_root.json'), ca.path('again.json'));
    expect(await run(take)).to.match(/^Nothing is new/);
    await run(exportTo);
  });

  it('a restored backup: its logs are taken away, and new ones begin with keys of their own', async () => {
    await writeFile(ca.paths.config, 'oidc-issuers: {}\nmayfly:\n  public-url: https://localhost\n');
    await run('mayfly trust export --data /var/lib/mayfly --out trust');
    const [take = '', ...replace] = await documentedBlocks(PAGE, 'A restored backup');
    const old = (await handedOut()).artifactLogs.map(({ logId }) => Buffer.from(logId).toString('base64'));
    await run(take);
    const TIME = rfc3339(Date.now() + 3_600_000);
    const [LOGID1 = '', LOGID2 = ''] = old;
    const values = {
      ...WITHOUT_SERVICE,
      'ca.example.com': 'localhost',
      '/var/lib/mayfly-lost': 'lost',
      TIME,
      LOGID1,
      LOGID2,
    };
    for (const block of replace) await run(block, values);
    const { certificateLogs, artifactLogs } = await handedOut();
    expect(certificateLogs.map(({ baseUrl }) => baseUrl)).to.have.length(2);
    const ended = artifactLogs.filter(({ window }) => window.end !== undefined);
    expect(ended.map(({ logId }) => Buffer.from(logId).toString('base64'))).to.have.members(old);
    expect(artifactLogs).to.have.length(4);
    const service = startMayfly(['serve', '--data', ca.data, ...ANYWHERE]);
    await service.firstLine;
    service.child.kill();
    expect(await service.ended).to.equal(0);
    expect(await run('mayfly rekor check --data /var/lib/mayfly')).to.match(/^(ok: 1 entries .*\n){2}$/);
  });

  it('a lost disk without its logs: a new directory trusts all that was trusted, and no more', async () => {
    const old = await ca.sign();
    const former = await fingerprint();
    await run(`mayfly ca renew --data /var/lib/mayfly --csr request.pem
      mayfly ca sign request.pem --root root.pem --root-key root.key.pem --out chain.pem
      mayfly ca renew --data /var/lib/mayfly --install chain.pem`);
    const renewed = await ca.sign();
    const [end = ''] = await documentedBlocks(PAGE, 'The end of a window');
    await run(end, { FINGERPRINT: former });
    await run('mayfly trust export --data /var/lib/mayfly --public-url https://ca.example.com --out trust');
    const lost = await ca.trustedRoot();
    await rename(ca.data, ca.path('lost'));
    await passphrases();
    const values = {
      'ca.example.com/log/2026b': 'next.example.com/log/2026',
      NEW: 'new',
      'DIR/': 'lost/',
      '/run/secrets/mayfly': 'pass',
    };
    const blocks = await documentedBlocks('keys-and-backups.md', 'Backup and restore');
    await run(blocks.find((block) => block.includes('init --data NEW')) ?? 'false', values);
    const [take = ''] = await documentedBlocks(PAGE, 'A lost disk');
    const isExport = (line: string): boolean => line.startsWith('mayfly trust export');
    const early = await failureOf(run(take.split('\n').filter(isExport).join('\n'), values));
    expect(String(early), 'before the import').to.include('which this instance does not know');
    await run(take, values);
    const moved = RenewableInstance.at(scratch, 'new', 'secret');
    const young = await moved.sign();
    const root = parseTrustedRoot(await readFile(ca.path('trust/trusted_root.json'), 'utf8'));
    await expectAccepted(root, { old, renewed, young });
    expect(root.certificateLogs).to.have.length(2);
    expect(root.timestampAuthorities).to.have.length(2);
    const ends = ({ certificateAuthorities }: TrustedRoot): unknown[] =>
      certificateAuthorities.map(({ window }) => window.end ?? 'open').sort();
    expect(ends(root))
      .to.deep.equal(ends(lost))
      .and.to.include(Date.UTC(2027, 0, 1));
  });

  const artifactWindows = async (): Promise<readonly [string, boolean][]> =>
    (await handedOut()).artifactLogs.map(({ baseUrl, window }) => [baseUrl, window.end !== undefined]);

  it('a new log of artifacts for each API, and another one when its key is stolen', async () => {
    const url = 'https://localhost';
    await writeFile(ca.paths.config, `oidc-issuers: {}\nmayfly:\n  public-url: ${url}\n`);
    const [stage = '', change = '', check = ''] = await documentedBlocks(PAGE, 'A new log of artifacts');
    await run(stage, WITHOUT_SERVICE);
    expect(await artifactWindows()).to.deep.equal(Array.from({ length: 4 }, () => [url, false]));
    await run(change, WITHOUT_SERVICE);
    expect(await artifactWindows()).to.deep.equal(
      [false, false, true, true].map((hasEnded) => [url, hasEnded]),
    );
    expect(await run(check, WITHOUT_SERVICE)).to.match(
      /^ok: 1 entries .*\(v1\)\n(ok: .*\n){2}ok: .*\(v2-2\)/,
    );

    const [discard = '', replace = ''] = await documentedBlocks(PAGE, 'A stolen key of a log of artifacts');
    const shown = JSON.parse(await run('mayfly rekor show --data /var/lib/mayfly --json')) as {
      readonly logs: readonly { readonly name: string; readonly logId: string }[];
    };
    const stolen = shown.logs.find(({ name }) => name === 'v1-2')?.logId ?? '';
    await run(stage, WITHOUT_SERVICE);
    await run(discard, WITHOUT_SERVICE);
    const theft = Date.now() + 1000;
    const values = { ...WITHOUT_SERVICE, LOGID: stolen, '--at T': `--at ${rfc3339(theft)}` };
    // At once in a test: the end must not lie before the birth of the log.
    await run(replace.replace('--reason compromise', '--reason compromise --later'), values);
    const { artifactLogs } = await handedOut();
    const entry = artifactLogs.find(({ logId }) => Buffer.from(logId).toString('base64') === stolen);
    expect(Math.floor((entry?.window.end ?? 0) / 1000)).to.equal(Math.floor(theft / 1000));
    expect(await run('mayfly rekor show --data /var/lib/mayfly')).to.include('v1-3, in use');
  });

  it('the service moves to another host: logs of artifacts with its name', async () => {
    const [, stage = '', change = ''] = await documentedBlocks(
      PAGE,
      'The service moves, or gets another URL',
    );
    await writeFile(ca.paths.config, 'oidc-issuers: {}\nmayfly:\n  public-url: https://localhost\n');
    await run(stage, WITHOUT_SERVICE);
    await run(change, WITHOUT_SERVICE);
    expect(await readFile(ca.paths.config, 'utf8')).to.include('  public-url: https://new.example.com\n');
    expect(await artifactWindows()).to.deep.equal([
      ['https://new.example.com', false],
      ['https://new.example.com', false],
      ['https://localhost', true],
      ['https://localhost', true],
    ]);
    const shown = await run('mayfly rekor show --data /var/lib/mayfly');
    expect(shown).to.match(/Rekor v1 {4}new\.example\.com - \d+\n.*v1-2, in use/);
    await run('mayfly config check /var/lib/mayfly/config.yaml');
  });
});
