import { execFileSync, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFile, cp, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { readTimestampChain } from '../../../ca/timestamp-chain.ts';
import { toHex } from '../../../core/bytes.ts';
import { rfc3339 } from '../../../core/clock.ts';
import { decodePem } from '../../../core/pem.ts';
import { dataPaths } from '../../../instance/data-paths.ts';
import { loadKeyFile } from '../../../signers/key-file.ts';
import { readTrust } from '../../../trust/ledger.ts';
import { parseTimestamp } from '../../../tsa/format/timestamp-token.ts';
import { hasOpenssl } from '../../ca/support/openssl.ts';
import { ANYWHERE, type MayflyResult, runMayfly, startMayfly } from '../../support/mayfly.ts';
import { documentedCommands } from '../../support/documented-commands.ts';
import { commandsOf } from '../../support/procedures.ts';
import { skipUnless } from '../../support/skipped.ts';

const SECRETS = {
  pass: 'of the server',
  'root-passphrase': 'of the root',
} as const;

describe('mayfly tsa', function () {
  this.timeout(240_000);
  let template: string;
  let scratch: string;
  const running: ChildProcess[] = [];

  /** Made once: keys with a passphrase take their time. */
  before(async () => {
    template = await mkdtemp(join(tmpdir(), 'mayfly-tsa-'));
    for (const [name, secret] of Object.entries(SECRETS))
      await writeFile(join(template, name), `${secret}\n`, { mode: 0o600 });
    const words = ['--root-key-out', 'root.key.pem', '--passphrase-file', 'pass'];
    const made = await runMayfly(
      ['init', '--data', 'data', ...words, '--root-passphrase-file', 'root-passphrase'],
      { cwd: template },
    );
    expect(made.code, made.stderr).to.equal(0);
    const chain = await readFile(join(template, 'data/ca/chain.pem'), 'utf8');
    await writeFile(join(template, 'root.pem'), chain.split(/(?<=END CERTIFICATE-----\n)/).at(-1) ?? '');
  });
  after(() => rm(template, { recursive: true }));
  beforeEach(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'mayfly-tsa-'));
    await cp(template, scratch, { recursive: true, preserveTimestamps: true });
  });
  afterEach(async () => {
    for (const child of running.splice(0)) child.kill('SIGKILL');
    await rm(scratch, { recursive: true });
  });

  const path = (...parts: string[]): string => join(scratch, ...parts);
  const run = (...args: string[]): Promise<MayflyResult> => runMayfly(args, { cwd: scratch });

  /** A line of the documentation, here. */
  async function follow(command: string): Promise<string> {
    const here = command.replaceAll('/var/lib/mayfly', 'data').replaceAll('/run/secrets/mayfly', 'pass');
    const result = await run(...here.split(/\s+/).slice(1));
    expect(result.code, `${here}: ${result.stderr}`).to.equal(0);
    return result.stdout;
  }

  async function good(...args: string[]): Promise<string> {
    const result = await run(...args);
    expect(result.code, `${args.join(' ')}: ${result.stderr}`).to.equal(0);
    return result.stdout;
  }

  const keys = async (): Promise<string[]> =>
    (await readdir(path('data/keys'))).filter((name) => name.startsWith('tsa')).sort();
  const certificateOf = async (file: string): Promise<Uint8Array> =>
    decodePem(await readFile(path('data/tsa', file), 'utf8'))[0]?.bytes ?? new Uint8Array();
  const trusted = async (): Promise<readonly Uint8Array[]> =>
    (await readTrust(dataPaths(path('data')))).root.timestampAuthorities.map(
      ({ chain: [first] }) => first ?? new Uint8Array(),
    );

  /** The chain in force and the key beside it fit, below the root of the CA. */
  async function isWhole(key = 'tsa.key.pem'): Promise<void> {
    const { publicKey: spki } = await loadKeyFile(await readFile(path('data/keys', key)), SECRETS.pass);
    const root = decodePem(await readFile(path('data/ca/chain.pem'), 'utf8')).at(-1)?.bytes;
    readTimestampChain(await readFile(path('data/tsa/chain.pem'), 'utf8'), { now: Date.now(), spki, root });
  }

  async function serve(): Promise<{ url: string; stop: () => Promise<void> }> {
    await writeFile(path('data/config.yaml'), 'oidc-issuers: {}\n');
    const words = ['serve', ...ANYWHERE, '--json', '--data', path('data'), '--passphrase-file', path('pass')];
    const { child, firstLine, ended } = startMayfly(words);
    running.push(child);
    const { url } = JSON.parse(await firstLine) as { url: string };
    const stop = async (): Promise<void> => {
      child.kill('SIGTERM');
      await ended;
    };
    return { url, stop };
  }

  /** Writes a timestamp over root.pem, of `since` (milliseconds) or later, and resolves to its time. */
  async function timestamp(url: string, name: string, since = 0): Promise<number> {
    const digest = createHash('sha256')
      .update(await readFile(path('root.pem')))
      .digest('base64');
    for (;;) {
      const answer = await fetch(`${url}/api/v1/timestamp`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ artifactHash: digest, hashAlgorithm: 'sha256' }),
      });
      expect(answer.status).to.equal(201);
      const bytes = new Uint8Array(await answer.arrayBuffer());
      const { time } = parseTimestamp(bytes).info;
      if (time < since) continue;
      await writeFile(path(`${name}.tsr`), bytes);
      return time;
    }
  }

  /** As an adopted CA is, and a directory of an earlier version. */
  async function withoutAuthority(): Promise<void> {
    await rm(path('data/tsa'), { recursive: true });
    await rm(path('data/keys/tsa.key.pem'));
  }

  it('gains an authority by the book', async () => {
    await withoutAuthority();
    expect(await good('tsa', 'show', '--data', 'data')).to.match(/no timestamp authority[^]*tsa init --data/);
    const [init = ''] = await commandsOf('The key for timestamps');
    expect(await follow(init)).to.match(/^Timestamps: CN=Mayfly CA timestamps, O=Mayfly, until 20/);
    await isWhole();
    expect((await stat(path('data/keys/tsa.key.pem'))).mode & 0o777).to.equal(0o600);
    const again = await run('tsa', 'init', '--data', 'data', '--root-key', 'root.key.pem');
    expect(again.stderr).to.match(/has a timestamp authority already/);
  });

  for (const how of ['mayfly', 'openssl'] as const)
    it(`renews the key by the book, with the root key elsewhere: ${how}`, async function () {
      skipUnless(this, how !== 'openssl' || hasOpenssl(), 'there is no openssl');
      const [ask = '', sign = '', stage = '', publish = '', change = '', openssl = ''] = await commandsOf(
        'Renew the key for timestamps',
      );
      const old = await certificateOf('chain.pem');
      expect(await follow(ask)).to.include('ca sign tsa.csr --timestamps');
      if (how === 'mayfly') await follow(sign);
      else execFileSync('/bin/sh', ['-e', '-c', openssl], { cwd: scratch, stdio: 'pipe' });
      expect(await follow(stage)).to.match(
        /It signs nothing yet[^]*tsa renew --data \S+ --switch --passphrase-file \S+$/m,
      );
      const next = await certificateOf('next.pem');
      expect(await certificateOf('chain.pem')).to.deep.equal(old);
      await isWhole();
      expect(await trusted()).to.deep.equal([old, next]);
      await follow(publish);
      expect(await follow(change)).to.match(/Before: CN=Mayfly CA timestamps, .*its key is deleted/);
      await isWhole();
      expect(await certificateOf('chain.pem')).to.deep.equal(next);
      expect(await trusted()).to.deep.equal([next, old]);
      expect(await keys()).to.deep.equal(['tsa.key.pem']);
      expect(await readdir(path('data/tsa'))).to.have.members(['chain.pem', 'former']);
      const { certificates } = JSON.parse(await good('tsa', 'show', '--data', 'data', '--json')) as {
        certificates: { role: string; subject: string }[];
      };
      expect(certificates.map(({ role, subject }) => [role, subject])).to.deep.equal([
        ['in force', `CN=Mayfly CA timestamps 2, O=Mayfly`],
        ['former', 'CN=Mayfly CA timestamps, O=Mayfly'],
      ]);
    });

  it('goes through the same with the root key at hand, and ends the former one as it says', async () => {
    const words = ['--data', 'data', '--passphrase-file', 'pass'];
    const root = ['--root-key', 'root.key.pem', '--root-passphrase-file', 'root-passphrase'];
    await good(
      'tsa',
      'renew',
      ...words,
      ...root,
      '--stage',
      '--key-type',
      'p384',
      '--common-name',
      'Time 2027',
    );
    expect(await good('tsa', 'show', '--data', 'data')).to.match(
      /^staged +CN=Time 2027, O=Mayfly$[^]*ECDSA P-384/m,
    );
    const said = await good('tsa', 'renew', ...words, '--switch');
    const [, end = ''] = /\n {2}\S*mayfly(?:\.js)? (trust end .*)$/m.exec(said) ?? [];
    await good(...end.split(' '));
    expect(await good('tsa', 'show', '--data', 'data')).to.match(/^former [^]*trusted from \S+ until 20/m);
    // A key that signs more slowly is asked for each time.
    await good('tsa', 'renew', ...words, ...root, '--stage');
    expect(await good('tsa', 'show', '--data', 'data')).to.match(/^staged [^]*?ECDSA P-256, /m);
  });

  it('ends a stolen key by the book, beside a real service', async () => {
    let service = await serve();
    const before = await timestamp(service.url, 'before');
    const stolen = toHex(
      createHash('sha256')
        .update(await certificateOf('chain.pem'))
        .digest(),
    );
    await timestamp(service.url, 'doubtful', before + 1000);
    // A successor was asked for.
    await good('tsa', 'renew', '--data', 'data', '--passphrase-file', 'pass', '--csr', 'waiting.csr');
    for (const line of await documentedCommands('rotation.md', '## A stolen key for timestamps'))
      if (line.startsWith('systemctl')) {
        await service.stop();
        service = await serve();
      } else
        await follow(
          line.replace('FINGERPRINT', stolen).replace('--at T ', `--at ${rfc3339(before + 999)} `),
        );
    await timestamp(service.url, 'after');
    await service.stop();
    const verify = (name: string, ...more: string[]): Promise<MayflyResult> =>
      run('verify', 'timestamp', `${name}.tsr`, '--artifact', 'root.pem', '--trust', 'trust', ...more);
    for (const name of ['before', 'after']) expect((await verify(name)).code, name).to.equal(0);
    const { code, stdout } = await verify('doubtful', '--json');
    expect(code).to.equal(1);
    expect(JSON.parse(stdout)).to.deep.include({ fault: 'trust', failed: ['authority'] });
  });

  it('finishes an interrupted switch with the same command, wherever it was', async () => {
    const words = ['--data', 'data', '--passphrase-file', 'pass'];
    const root = ['--root-key', 'root.key.pem', '--root-passphrase-file', 'root-passphrase'];
    await good('tsa', 'renew', ...words, ...root, '--stage');
    const next = await readFile(path('data/tsa/next.pem'));
    const nextKey = await readFile(path('data/keys/tsa.next.key.pem'));
    const oldKey = await readFile(path('data/keys/tsa.key.pem'));
    const old = await certificateOf('chain.pem');
    await good('tsa', 'renew', ...words, '--switch');

    const whole = async (): Promise<void> => {
      await isWhole();
      expect(await keys()).to.deep.equal(['tsa.key.pem']);
      expect(await certificateOf('chain.pem')).to.deep.equal(decodePem(next.toString())[0]?.bytes);
      expect(await readdir(path('data/tsa/former'))).to.have.length(1);
      expect(await trusted()).to.deep.include(old);
    };
    await whole();
    // The chain is the new one, its key lies where it was staged: what `serve` must start with.
    await writeFile(path('data/tsa/next.pem'), next);
    await writeFile(path('data/keys/tsa.next.key.pem'), nextKey, { mode: 0o600 });
    await writeFile(path('data/keys/tsa.key.pem'), oldKey, { mode: 0o600 });
    await isWhole('tsa.next.key.pem');
    const refused = await run('tsa', 'renew', ...words, '--csr', 'another.csr');
    expect(refused.stderr).to.match(/the last switch was interrupted\n.*--switch/);
    await good('tsa', 'renew', ...words, '--switch');
    await whole();
    // Both keys are the new one, and then only the staged chain is left.
    await writeFile(path('data/tsa/next.pem'), next);
    await writeFile(path('data/keys/tsa.next.key.pem'), nextKey, { mode: 0o600 });
    await good('tsa', 'renew', ...words, '--switch');
    await whole();
    await writeFile(path('data/tsa/next.pem'), next);
    await good('tsa', 'renew', ...words, '--switch');
    await whole();
    const done = await good('tsa', 'renew', ...words, '--switch');
    expect(done).to.match(/^Nothing is staged\. In force already[^]*trust end/);
    await whole();
  });

  it('takes up what an interrupted beginning left', async () => {
    const words = ['--data', 'data', '--passphrase-file', 'pass'];
    const root = ['--root-key', 'root.key.pem', '--root-passphrase-file', 'root-passphrase'];
    await rename(path('data/tsa'), path('gone'));
    const key = await readFile(path('data/keys/tsa.key.pem'));
    await good('tsa', 'init', ...words, ...root);
    expect(await readFile(path('data/keys/tsa.key.pem'))).to.deep.equal(key);
    await isWhole();
    await good('tsa', 'renew', ...words, '--csr', 'one.csr');
    await good('tsa', 'renew', ...words, '--csr', 'two.csr');
    const sign = ['--root', 'root.pem', '--root-key', 'root.key.pem', '--passphrase-file', 'root-passphrase'];
    await good('ca', 'sign', 'two.csr', '--timestamps', ...sign, '--out', 'chain.pem');
    await good('tsa', 'renew', ...words, '--stage', 'chain.pem');
  });

  it('refuses what does not fit by its name, without a change', async () => {
    const words = ['--data', 'data', '--passphrase-file', 'pass'];
    const sign = ['--root', 'root.pem', '--root-key', 'root.key.pem', '--passphrase-file', 'root-passphrase'];
    await good('tsa', 'renew', ...words, '--csr', 'tsa.csr');
    await good('init', '--data', 'other', '--root-key-out', 'other.key.pem');
    const request = ['tsa', 'renew', '--data', 'other', '--csr', 'foreign.csr'];
    const plain = await run(...request, '--passphrase-file', 'pass');
    expect([plain.code, plain.stderr]).to.satisfy(
      ([code, text]: [number, string]) =>
        code === 0 && /tsa\.next\.key\.pem has no passphrase, because the other keys/.test(text),
    );
    await good('ca', 'sign', 'foreign.csr', '--timestamps', ...sign, '--out', 'foreign-key.pem');
    await good(
      ...['ca', 'sign', 'tsa.csr', '--timestamps', '--root', 'other/ca/chain.pem'],
      ...['--root-key', 'other.key.pem', '--out', 'foreign-root.pem'],
    );
    await copyFile(path('data/ca/chain.pem'), path('ca-chain.pem'));
    const chain = (await readFile(path('data/tsa/chain.pem'), 'utf8')).split(/(?<=END CERTIFICATE-----\n)/);
    await writeFile(path('upside-down.pem'), chain.reverse().join(''));
    const before = await readdir(path('data'), { recursive: true });
    const renew = ['tsa', 'renew', ...words];
    for (const [args, says] of [
      [
        [...renew, '--stage', '--root-key', 'data/keys/intermediate.key.pem'],
        /that of the issuing CA, not that of the root/,
      ],
      [[...renew, '--stage', '--root-key', 'other.key.pem'], /does not belong to the root/],
      [
        [...renew, '--stage', '--root-key', 'other.key.pem', '--root', 'other/ca/chain.pem'],
        /ends at another root/,
      ],
      [[...renew, '--stage', '--root-key', 'root.key.pem'], /root\.key\.pem: .*passphrase/],
      [[...renew, '--stage', 'foreign-root.pem'], /ends at another root than the one in force/],
      [[...renew, '--stage', 'foreign-key.pem'], /key for timestamps does not belong/],
      [[...renew, '--stage', 'ca-chain.pem'], /not timeStamping alone/],
      [[...renew, '--stage', 'tsa.csr'], /tsa\.csr is the certificate signing request/],
      [[...renew, '--stage', 'upside-down.pem'], /upside-down\.pem begins with the root/],
      [[...renew, '--root-key', 'root.key.pem'], /--root-key and --stage go together/],
      [[...renew, '--stage'], /--root-key and --stage go together/],
      [renew, /say what to do/],
      [[...renew, '--csr', 'a', '--stage', 'b'], /say what to do/],
      [[...renew, '--switch', '--stage'], /stands alone/],
      [[...renew, '--switch'], /nothing is staged/],
      [[...renew, '--csr', 'b.csr', '--key-type', 'p384'], /begun already/],
      [[...renew, '--csr', 'tsa.csr'], /is there already/],
      [['tsa', 'init', ...words, '--root-key', 'root.key.pem'], /has a timestamp authority already/],
    ] as const) {
      const result = await run(...args);
      expect([result.code === 0, result.stderr], args.join(' ')).to.satisfy(
        ([isGood, text]: [boolean, string]) => !isGood && says.test(text),
      );
    }
    expect(await readdir(path('data'), { recursive: true })).to.deep.equal(before);
    await isWhole();
  });
});
