import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { copyFile, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { readPrivateKey } from '../../../signers/key-file.ts';
import { hasOpenssl } from '../../ca/support/openssl.ts';
import { emailConfig } from '../../support/data-directory.ts';
import { startIssuer, type TestIssuer } from '../../support/oidc-issuer.ts';
import {
  ANYWHERE,
  type MayflyProcess,
  type MayflyResult,
  runMayfly,
  startMayfly,
} from '../../support/mayfly.ts';
import { commandsOf } from '../../support/procedures.ts';
import { skipUnless } from '../../support/skipped.ts';

describe('mayfly ca and keys', function () {
  this.timeout(120_000);
  /** Made once, and copied for each test. */
  let made: string;
  let scratch: string;
  let issuer: TestIssuer;
  let service: MayflyProcess | undefined;

  before(async () => {
    issuer = await startIssuer();
    scratch = made = await mkdtemp(join(tmpdir(), 'mayfly-ca-'));
    for (const [name, secret] of [
      ['pass', 'of the server'],
      ['root-passphrase', 'of the root'],
      ['new-passphrase', 'another one'],
      ['new-root-passphrase', 'another one of the root'],
    ] as const)
      await writeFile(join(scratch, name), `${secret}\n`, { mode: 0o600 });
    const words = ['--root-key-out', 'root.key.pem', '--passphrase-file', 'pass'];
    const init = await run('init', '--data', 'data', ...words, '--root-passphrase-file', 'root-passphrase');
    expect(init.code, init.stderr).to.equal(0);
    expect(init.stdout).to.include('encrypted with a passphrase of its own');
    await writeFile(path('data', 'config.yaml'), emailConfig(issuer.url));
    const root = (await readFile(path('data', 'ca', 'chain.pem'), 'utf8')).split(
      /(?<=END CERTIFICATE-----\n)/,
    );
    await writeFile(path('root.pem'), root.at(-1) ?? '');
  });
  after(async () => {
    await issuer.close();
    await rm(made, { recursive: true });
  });
  beforeEach(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'mayfly-ca-'));
    await cp(made, scratch, { recursive: true });
  });
  afterEach(async () => {
    await stop();
    await rm(scratch, { recursive: true });
  });

  const path = (...parts: string[]): string => join(scratch, ...parts);
  const run = (...args: string[]): Promise<MayflyResult> => runMayfly(args, { cwd: scratch });

  /** A line of the documentation, here. */
  async function follow(command: string): Promise<MayflyResult> {
    const here = command.replaceAll('/var/lib/mayfly', 'data').replaceAll('/run/secrets/mayfly', 'pass');
    const result = await run(...here.split(/\s+/).slice(1));
    expect(result.code, `${here}: ${result.stderr}`).to.equal(0);
    return result;
  }

  async function serve(passphrase = 'pass'): Promise<string> {
    const words = [
      'serve',
      ...ANYWHERE,
      '--json',
      '--data',
      path('data'),
      '--passphrase-file',
      path(passphrase),
    ];
    service = startMayfly(words);
    return (JSON.parse(await service.firstLine) as { url: string }).url;
  }

  async function stop(): Promise<void> {
    service?.child.kill('SIGTERM');
    await service?.ended;
    service = undefined;
  }

  /** A certificate in the folder `out`. */
  async function issue(url: string, out: string): Promise<X509Certificate> {
    await writeFile(path('token'), await issuer.sign({ email: 'sue@example.com', email_verified: true }));
    const result = await run('certificate', '--url', url, '--token-file', 'token', '--out', out);
    expect(result.code, result.stderr).to.equal(0);
    return new X509Certificate(await readFile(path(out, 'cert.pem')));
  }

  /** Whether the certificate in `folder` verifies by the export in `trust`. */
  async function verifies(folder: string, trust: string): Promise<void> {
    const words = ['--identity', 'sue@example.com', '--issuer', issuer.url];
    const result = await run('verify', 'certificate', join(folder, 'cert.pem'), '--trust', trust, ...words);
    expect(result.code, `${folder} by ${trust}: ${result.stdout}`).to.equal(0);
  }

  async function exportTo(out: string): Promise<void> {
    const result = await run('trust', 'export', '--data', 'data', '--out', out);
    expect(result.code, result.stderr).to.equal(0);
  }

  const issuingCa = async (): Promise<X509Certificate> =>
    new X509Certificate(await readFile(path('data', 'ca', 'chain.pem')));

  const keysOf = async (): Promise<string[]> => (await readdir(path('data', 'keys'))).sort();

  describe('renewing, by the book', () => {
    for (const how of ['mayfly', 'openssl'] as const)
      it(`makes a new intermediate with the root key elsewhere: ${how}`, async function () {
        skipUnless(this, how !== 'openssl' || hasOpenssl(), 'there is no openssl');
        const [ask = '', sign = '', stage = '', switchOver = '', openssl = ''] =
          await commandsOf('Renew the issuing CA');
        let url = await serve();
        const before = await issue(url, 'before');
        await exportTo('old-trust');
        const old = await issuingCa();

        // While the service runs.
        expect((await follow(ask)).stdout).to.include('CN=Mayfly CA intermediate 2');
        if (how === 'mayfly') await follow(sign);
        else execFileSync('/bin/sh', ['-e', '-c', openssl], { cwd: scratch, stdio: 'pipe' });
        const { stdout: next } = await follow(stage);
        const staged = path('staged.json');
        await copyFile(path('data', 'trust', 'trusted_root.json'), staged);
        expect((await issue(url, 'meanwhile')).issuer).to.equal(before.issuer);
        // As the page has it, or as the step before printed it.
        const [printed = ''] = how === 'mayfly' ? (/ca renew .* --switch.*$/m.exec(next) ?? []) : [];
        await follow(how === 'mayfly' ? `mayfly ${printed}` : switchOver);
        expect((await issue(url, 'switched')).issuer).to.equal(before.issuer);
        await stop();
        url = await serve();
        const after = await issue(url, 'after');
        await exportTo('new-trust');

        const renewed = await issuingCa();
        expect(after.checkIssued(renewed)).to.equal(true);
        expect(after.checkIssued(old)).to.equal(false);
        expect(renewed.checkIssued(new X509Certificate(await readFile(path('root.pem'))))).to.equal(true);
        expect(renewed.publicKey.equals(old.publicKey)).to.equal(false);
        expect(await keysOf()).not.to.include('intermediate.next.key.pem');
        for (const folder of ['before', 'meanwhile', 'switched', 'after'])
          for (const trust of ['new-trust', 'staged.json']) await verifies(folder, trust);
        for (const folder of ['before', 'meanwhile']) await verifies(folder, 'old-trust');
        // The root is the same; what comes with the certificate is what an old export lacks.
        const parts = await Promise.all(
          ['cert.pem', 'chain.pem'].map((file) => readFile(path('after', file), 'utf8')),
        );
        await writeFile(path('after', 'cert.pem'), parts.join(''));
        await verifies('after', 'old-trust');
        const bundle = (await (await fetch(`${url}/api/v2/trustBundle`)).json()) as {
          chains: { certificates: string[] }[];
        };
        const first = bundle.chains.map(
          ({ certificates }) => new X509Certificate(certificates[0] ?? '').subject,
        );
        expect(first).to.deep.equal([renewed.subject, old.subject]);
        const check = await run('log', 'check', '--data', 'data');
        expect(check.code, check.stderr).to.equal(0);
      });

    it('starts with either chain wherever it is interrupted, and finishes when it is run again', async () => {
      const [ask = '', sign = '', stage = '', switchOver = ''] = await commandsOf('Renew the issuing CA');
      await follow(ask);
      await follow(sign);
      await follow(stage);
      // As after the chain was put in force, and before its key took its place.
      await mkdir(path('data', 'ca', 'former'));
      await copyFile(path('data', 'ca', 'chain.pem'), path('data', 'ca', 'former', 'ab.pem'));
      let url = await serve();
      expect((await issue(url, 'old')).checkIssued(await issuingCa())).to.equal(true);
      const bundle = (await (await fetch(`${url}/api/v2/trustBundle`)).json()) as { chains: unknown[] };
      expect(bundle.chains, 'with the staged one').to.have.length(2);
      await stop();
      await copyFile(path('chain.pem'), path('data', 'ca', 'chain.pem'));
      url = await serve();
      expect((await issue(url, 'new')).checkIssued(await issuingCa())).to.equal(true);
      await stop();
      await follow(switchOver);
      expect(await keysOf()).not.to.include('intermediate.next.key.pem');
      url = await serve();
      expect((await issue(url, 'last')).checkIssued(await issuingCa())).to.equal(true);
      await exportTo('trust');
      for (const folder of ['old', 'new', 'last']) await verifies(folder, 'trust');
    });

    it('asks for the same key again, and refuses what does not fit without a change', async () => {
      const [ask = '', sign = ''] = await commandsOf('Renew the issuing CA');
      const none = await run(
        'ca',
        'renew',
        '--data',
        'data',
        '--install',
        'root.pem',
        '--passphrase-file',
        'pass',
      );
      expect(none.code).to.equal(1);
      expect(none.stderr).to.include('nothing was asked for');
      await follow(ask);
      await follow(ask.replace('request.pem', 'again.pem'));
      // Name and key, without the length of the whole, which the signature changes.
      const key = async (file: string): Promise<Buffer> =>
        Buffer.from((await readFile(path(file), 'utf8')).replace(/-.*-/g, ''), 'base64').subarray(3, 150);
      expect(await key('again.pem')).to.deep.equal(await key('request.pem'));
      await follow(sign);
      const before = await readFile(path('data', 'ca', 'chain.pem'), 'utf8');
      const chain = (await readFile(path('chain.pem'), 'utf8')).split(/(?<=END CERTIFICATE-----\n)/);
      await writeFile(path('turned.pem'), [...chain].reverse().join(''));
      await writeFile(path('short.pem'), chain[0] ?? '');
      // A root of somebody else's with the same names.
      const other = ['--root-key-out', 'other.key.pem'];
      expect((await run('init', '--data', 'other', ...other)).code).to.equal(0);
      const foreign = [
        'ca',
        'sign',
        'request.pem',
        '--root',
        'other/ca/chain.pem',
        '--root-key',
        'other.key.pem',
      ];
      expect((await run(...foreign, '--out', 'foreign.pem')).code).to.equal(0);
      for (const [file, says] of [
        ['turned.pem', /does not belong to the chain|is not|issue/],
        ['short.pem', /root/],
        ['foreign.pem', /ends at another root/],
        ['request.pem', /something else than certificates/],
        ['nowhere.pem', /does not exist/],
      ] as const) {
        const result = await run(
          'ca',
          'renew',
          '--data',
          'data',
          '--install',
          file,
          '--passphrase-file',
          'pass',
        );
        expect(result.code, file).to.be.above(0);
        expect(result.stderr, file).to.match(says);
        expect(await readFile(path('data', 'ca', 'chain.pem'), 'utf8')).to.equal(before);
        expect(await keysOf()).to.include('intermediate.next.key.pem');
      }
      // Every key of the wrong root, passphrase or request.
      for (const [words, says] of [
        [['--root', 'root.pem', '--root-key', 'other.key.pem'], /does not belong to the root/],
        [
          ['--root', 'root.pem', '--root-key', 'root.key.pem', '--passphrase-file', 'pass'],
          /passphrase is wrong/,
        ],
        [['--root', 'request.pem', '--root-key', 'other.key.pem'], /root/],
      ] as const) {
        const result = await run('ca', 'sign', 'request.pem', ...words, '--out', 'x.pem');
        expect(result.code).to.equal(1);
        expect(result.stderr).to.match(says);
      }
    });
  });

  describe('passphrases', () => {
    it('are changed by the book, and those of the root apart', async () => {
      const [server = '', root = ''] = await commandsOf('Change a passphrase');
      await follow(server);
      await follow(root);
      const url = await serve('new-passphrase');
      await issue(url, 'out');
      await stop();
      const old = await run('serve', '--data', 'data', '--passphrase-file', 'pass');
      expect(old.code).to.equal(1);
      expect(old.stderr).to.include('passphrase is wrong');
      await readPrivateKey(await readFile(path('root.key.pem')), 'another one of the root');
      for (const file of await keysOf())
        expect((await stat(path('data', 'keys', file))).mode & 0o777).to.equal(0o600);
      expect((await readdir(path('data', 'keys'))).filter((name) => name.endsWith('.tmp'))).to.deep.equal([]);
    });

    it('are changed by the same command where it was interrupted', async () => {
      const [server = ''] = await commandsOf('Change a passphrase');
      const [first = ''] = await keysOf();
      const words = ['--passphrase-file', 'pass', '--new-passphrase-file', 'new-passphrase'];
      expect((await run('keys', 'passphrase', '--key', join('data/keys', first), ...words)).code).to.equal(0);
      const { stdout } = await follow(server);
      expect(stdout).to.match(
        new RegExp(`with the new passphrase already .*${first.replaceAll('.', '\\.')}`),
      );
      for (const file of await keysOf())
        await readPrivateKey(await readFile(path('data', 'keys', file)), 'another one');
    });

    it('are not changed in part where one key does not open', async () => {
      const files = await keysOf();
      const foreign = files.at(-1) ?? '';
      await copyFile(path('root.key.pem'), path('data', 'keys', foreign));
      const all = (): Promise<string[]> =>
        Promise.all(files.map((file) => readFile(path('data', 'keys', file), 'utf8')));
      const before = await all();
      const words = ['--passphrase-file', 'pass', '--new-passphrase-file', 'new-passphrase'];
      const result = await run('keys', 'passphrase', '--data', 'data', ...words);
      expect(result.code).to.equal(1);
      expect(result.stderr)
        .to.match(/passphrase is wrong.*nothing was changed/)
        .and.include(foreign);
      expect(await all()).to.deep.equal(before);
      expect((await run('keys', 'passphrase', ...words)).stderr).to.include('say which keys');
    });
  });
});
