import { execFileSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { expect } from 'chai';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readTrustDirectory } from '../../../cli/verify/trust-directory.ts';
import { decodePem } from '../../../core/pem.ts';
import { parseLogV3Json } from '../../../ct-log/format/log-v3-json.ts';
import { parseVkeys } from '../../../tlog/format/vkey.ts';
import { readIdentity } from '../../../ct-log/log-identity.ts';
import { sha256 } from '../../../tlog/core/sha256.ts';
import { encodeTrustedRoot, parseTrustedRoot, type Window } from '../../../trust/format/trusted-root.ts';
import { type MayflyResult, runMayfly, startDev } from '../../support/mayfly.ts';

const FILES = [
  ...[
    'SHA256SUMS',
    'chain.pem',
    'client_trust_config.json',
    'intermediate.pem',
    'log.pub.pem',
    'log.v3.json',
  ],
  ...[
    'log.vkey',
    'rekor.pub',
    'rekor.vkey',
    'root.pem',
    'signing_config.v0.2.json',
    'trust.p12',
    'trust.p7b',
    'trusted_root.json',
  ],
  'tsa.pem',
];

describe('mayfly trust export', function () {
  this.timeout(60_000);
  let cwd: string;
  before(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'mayfly-trust-'));
    const { code } = await runMayfly(
      ['init', '--data', 'data', '--keep-root-key', '--origin', 'ca.example/log/one'],
      { cwd },
    );
    expect(code).to.equal(0);
  });
  after(() => rm(cwd, { recursive: true }));

  const exportTo = (out: string, ...args: string[]): Promise<MayflyResult> =>
    runMayfly(['trust', 'export', '--data', 'data', '--out', out, ...args], { cwd });
  const text = (...path: string[]): Promise<string> => readFile(join(cwd, ...path), 'utf8');

  it('writes what the verifier reads', async () => {
    const { code, stderr, stdout } = await exportTo('deep/trust');
    expect([code, stderr]).to.deep.equal([0, '']);
    expect(stdout).to.match(/verify certificate cert\.pem --trust \/\S+\/deep\/trust /);
    expect((await readdir(join(cwd, 'deep/trust'))).sort()).to.deep.equal(FILES);
    const trust = await readTrustDirectory(join(cwd, 'deep/trust'));
    const identity = await readIdentity(join(cwd, 'data/logs/one'));
    const [issuing, root] = decodePem(await text('data/ca/chain.pem')).map(({ bytes }) => bytes);
    expect(trust.trustedRoot?.certificateAuthorities.map(({ chain }) => chain)).to.deep.equal([
      [issuing, root],
    ]);
    expect(trust.trustedRoot?.certificateLogs.map(({ publicKey }) => publicKey)).to.deep.equal([
      identity.publicKey,
    ]);
  });

  it('writes the keys of checkpoints as verifier keys, and the log as it describes itself', async () => {
    await exportTo('keys');
    const identity = await readIdentity(join(cwd, 'data/logs/one'));
    const vkeys = parseVkeys(sha256, await text('keys/log.vkey'));
    expect(vkeys.map(({ name, type }) => `${type} ${name}`)).to.deep.equal([
      'static-ct ca.example/log/one',
      'ed25519 ca.example/log/one',
    ]);
    expect(vkeys.map(({ key }) => key)).to.deep.equal([identity.publicKey, identity.ed25519PublicKey]);
    const described = parseLogV3Json(sha256, await text('keys/log.v3.json'));
    expect(described.logId).to.deep.equal(identity.logId);
    expect(JSON.parse(await text('keys/log.v3.json'))).to.include({
      monitoring_url: 'https://ca.example/log/one/',
      intended_use: 'production',
    });
  });

  it('satisfies openssl', async () => {
    await exportTo('judged');
    const openssl = (...args: string[]): string =>
      execFileSync('openssl', args, { cwd: join(cwd, 'judged'), encoding: 'utf8' });
    expect(openssl('verify', '-CAfile', 'root.pem', 'intermediate.pem')).to.equal('intermediate.pem: OK\n');
    expect(openssl('pkey', '-pubin', '-in', 'log.pub.pem', '-noout', '-text')).to.include('P-256');
    expect(await text('judged/chain.pem')).to.equal(
      (await text('judged/intermediate.pem')) + (await text('judged/root.pem')),
    );
  });

  it('replaces old files, leaves others alone, and opens no key', async () => {
    await exportTo('again');
    await writeFile(join(cwd, 'again/log.vkey'), 'old');
    await writeFile(join(cwd, 'again/mine.txt'), 'mine');
    const keys = join(cwd, 'data/keys');
    const names = await readdir(keys);
    // A file that holds no key: opening it would fail.
    const contents = await Promise.all(names.map((name) => readFile(join(keys, name))));
    await Promise.all(names.map((name) => writeFile(join(keys, name), 'not a key')));
    try {
      const { code, stdout } = await exportTo('again', '--json');
      expect(code).to.equal(0);
      const facts = JSON.parse(stdout) as Record<string, unknown> & { readonly files: string[] };
      expect(facts).to.have.all.keys(
        'directory',
        'files',
        'removed',
        'publicUrl',
        'rootSha256',
        'log',
        'isForTrying',
      );
      expect(facts.files.sort()).to.deep.equal(FILES);
    } finally {
      await Promise.all(names.map((name, i) => writeFile(join(keys, name), contents[i] ?? '')));
    }
    expect(await text('again/log.vkey')).not.to.equal('old');
    expect(decodePem(await text('again/root.pem'))).to.have.length(1);
    expect(await text('again/mine.txt')).to.equal('mine');
    expect((await readdir(join(cwd, 'again'))).sort()).to.deep.equal([...FILES, 'mine.txt'].sort());
  });

  it('replaces the root of another CA only when it is forced to', async () => {
    await exportTo('other');
    const root = await text('other/root.pem');
    await writeFile(join(cwd, 'other/root.pem'), 'another');
    await writeFile(join(cwd, 'other/log.vkey'), 'another');
    const refused = await exportTo('other');
    expect([refused.code, refused.stdout]).to.deep.equal([1, '']);
    expect(refused.stderr).to.include('nobody can say what it trusts').and.to.include('--force');
    expect([await text('other/root.pem'), await text('other/log.vkey')]).to.deep.equal([
      ...['another', 'another'],
    ]);
    expect((await exportTo('other', '--force')).code).to.equal(0);
    expect(await text('other/root.pem')).to.equal(root);
  });

  it('names what is trusted there and would not be any more, and keeps it without --force', async () => {
    await exportTo('loss');
    const shape = await readFile('test/vectors/trust-shapes/rekor1-tsa/trusted_root.json', 'utf8');
    await writeFile(join(cwd, 'loss/trusted_root.json'), shape);
    const refused = await exportTo('loss');
    expect([refused.code, refused.stdout]).to.deep.equal([1, '']);
    expect(refused.stderr).to.match(
      /trusts the CA "Interop CA" of "Interop Org" \(SHA-256 \w+…\) and 3 more,/,
    );
    expect(await text('loss/trusted_root.json')).to.equal(shape);
    expect((await exportTo('loss', '--force')).code).to.equal(0);
    expect(await text('loss/trusted_root.json'))
      .to.include('Mayfly CA')
      .and.not.to.include('Interop');
  });

  it('names what has ended there and would be believed again, and keeps it without --force', async () => {
    await exportTo('reopened');
    const file = join(cwd, 'reopened/trusted_root.json');
    const open = parseTrustedRoot(await readFile(file, 'utf8'));
    const withEnd = (end: number | undefined): string => {
      const change = <T extends { readonly window: Window }>(all: readonly T[]): T[] =>
        all.map((one) => ({ ...one, window: { ...one.window, end } }));
      return encodeTrustedRoot({
        certificateAuthorities: change(open.certificateAuthorities),
        certificateLogs: change(open.certificateLogs),
        timestampAuthorities: change(open.timestampAuthorities),
        artifactLogs: [],
      });
    };
    await writeFile(file, withEnd(Date.UTC(2030, 0, 1)));
    const refused = await exportTo('reopened');
    expect([refused.code, refused.stdout]).to.deep.equal([1, '']);
    expect(refused.stderr).to.match(/ends the CA ".*" of .* at 2030-01-01T00:00:00Z and 2 more, /);
    expect(refused.stderr).to.include('--take-ends').and.include('--force');
    expect(await readFile(file, 'utf8')).to.equal(withEnd(Date.UTC(2030, 0, 1)));
    expect((await exportTo('reopened', '--force')).code).to.equal(0);
    expect(parseTrustedRoot(await readFile(file, 'utf8'))).to.deep.equal(open);
    expect((await exportTo('reopened')).code, 'the same ends').to.equal(0);
  });

  it('removes what an earlier export wrote and this one does not, and nothing else', async () => {
    await exportTo('stale');
    const path = (name: string): string => join(cwd, 'stale', name);
    const written = ['log-2025.pub.pem', 'log-changed.pub.pem', 'mine.txt'];
    const sums = written.map((name) => `${createHash('sha256').update(name).digest('hex')}  ${name}\n`);
    const outside = `${createHash('sha256').update('tsa').digest('hex')}  ../tsa.pem\n`;
    for (const name of [...written, 'log-unlisted.pub.pem']) await writeFile(path(name), name);
    await writeFile(path('log-changed.pub.pem'), 'by hand');
    await writeFile(join(cwd, 'tsa.pem'), 'tsa');
    const fresh = await text('stale/SHA256SUMS');
    await writeFile(path('SHA256SUMS'), fresh + sums.join('') + outside);
    const { code, stdout } = await exportTo('stale');
    expect(code).to.equal(0);
    expect(stdout).to.match(/^Removed, .*: log-2025\.pub\.pem$/m);
    const left = ['log-changed.pub.pem', 'log-unlisted.pub.pem', 'mine.txt'];
    expect((await readdir(join(cwd, 'stale'))).sort()).to.deep.equal([...FILES, ...left].sort());
    expect(await text('tsa.pem')).to.equal('tsa');
    expect(await text('stale/SHA256SUMS')).to.equal(fresh);
  });

  it('takes the URLs of its options, and warns of those that are of use on this machine alone', async () => {
    const { stdout, stderr } = await exportTo(
      ...['urls', '--public-url', 'https://given.example/', '--oidc-issuer', 'https://login.example/realm/'],
    );
    expect(stderr).to.equal('');
    const config = JSON.parse(await text('urls/signing_config.v0.2.json')) as Record<
      string,
      { url: string }[]
    >;
    expect(config['caUrls']?.map(({ url }) => url)).to.deep.equal(['https://given.example']);
    expect(config['oidcUrls']?.map(({ url }) => url)).to.deep.equal(['https://login.example/realm/']);
    expect(stdout).to.include(
      "fulcioURL: 'https://given.example', tsaServerURL: 'https://given.example', tlogUpload: false",
    );
    const local = await exportTo('urls', '--public-url', 'http://localhost:5555');
    expect([local.code, local.stderr]).to.deep.equal([
      0,
      'warning: the files send clients to http://localhost:5555, which is this machine alone. Give --public-url URL, or set mayfly.public-url in the configuration.\n',
    ]);
    for (const wrong of ['ftp://a.example', 'https://a.example?x=1', 'https://u@a.example', 'nothing'])
      expect((await exportTo('urls', '--public-url', wrong)).code, wrong).to.equal(2);
    expect((await exportTo('urls', '--oidc-issuer', 'nothing')).code).to.equal(2);
  });

  it('prints no line that posts to a log of others', async () => {
    const { stdout } = await exportTo('lines');
    const signing = stdout.split('\n').filter((line) => /cosign sign-blob|sign\(/.test(line));
    expect(signing).to.have.length(3);
    expect(stdout).to.match(/mayfly trust fetch \S+ --fingerprint [0-9a-f]{64} --out trust\n/);
    for (const line of signing)
      expect(line).to.match(
        /--signing-config \S+ --trusted-root|-y --rekor-url https:\/\/ca\.example |rekorURL: 'https:\/\/ca\.example'/,
      );
  });

  it('takes the configuration that the service is given', async () => {
    await writeFile(join(cwd, 'elsewhere.yaml'), 'mayfly: {public-url: "https://else.example"}');
    await exportTo('elsewhere', '--config', 'elsewhere.yaml');
    expect(JSON.parse(await text('elsewhere/log.v3.json'))).to.include({
      monitoring_url: 'https://else.example/log/one/',
    });
    const { code, stderr } = await exportTo('elsewhere', '--config', 'nix.yaml');
    expect([code, stderr.includes('nix.yaml')], stderr).to.deep.equal([1, true]);
  });

  it('takes the public URL of the configuration, and does without a broken one aloud', async () => {
    const config = await text('data/config.yaml');
    try {
      await writeFile(join(cwd, 'data/config.yaml'), 'mayfly: {public-url: "https://sign.example"}');
      await exportTo('url');
      expect(JSON.parse(await text('url/log.v3.json'))).to.include({
        monitoring_url: 'https://sign.example/log/one/',
      });
      await writeFile(join(cwd, 'data/config.yaml'), 'mayfly: [');
      const { code, stderr } = await exportTo('url');
      expect([code, stderr.includes('the configuration is wrong')]).to.deep.equal([0, true]);
      expect(JSON.parse(await text('url/log.v3.json'))).to.include({
        monitoring_url: 'https://ca.example/log/one/',
      });
    } finally {
      await writeFile(join(cwd, 'data/config.yaml'), config);
    }
  });

  const MISTAKES: readonly (readonly [
    name: string,
    data: string,
    out: string,
    code: number,
    part: string,
  ])[] = [
    ['a directory that is not there', 'nix', 'out', 1, 'there is no directory'],
    ['a place inside the data directory', 'data', 'data/trust', 2, 'inside the data directory'],
    ['the data directory itself', 'data', 'data', 2, 'inside the data directory'],
    ['a file in the way', 'data', 'data/config.yaml/../../file', 2, 'is a file'],
    ['a place where nobody can make a directory', 'data', '/proc/mayfly/trust', 1, 'cannot be written'],
    ['a file on the way', 'data', 'file/trust', 1, 'A part of the path is a file'],
  ];
  for (const [name, data, out, expected, part] of MISTAKES)
    it(`refuses ${name}`, async () => {
      await writeFile(join(cwd, 'file'), '');
      const { code, stderr } = await runMayfly(['trust', 'export', '--data', data, '--out', out], { cwd });
      expect([code, stderr.includes(part)], stderr).to.deep.equal([expected, true]);
    });

  it('says which file of the instance is damaged', async () => {
    const chain = await text('data/ca/chain.pem');
    try {
      for (const [content, part] of [
        ['', 'it holds no certificate'],
        ['-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n', 'it holds a block "PRIVATE KEY"'],
        [chain.replaceAll('-----END', '-----ENDE'), 'has no end line'],
      ] as const) {
        await writeFile(join(cwd, 'data/ca/chain.pem'), content);
        const { code, stderr } = await exportTo('damaged');
        expect([code, stderr.includes('chain.pem is damaged'), stderr.includes(part)], stderr).to.deep.equal([
          1,
          true,
          true,
        ]);
      }
    } finally {
      await writeFile(join(cwd, 'data/ca/chain.pem'), chain);
    }
  });

  it('writes over files of which all CAs have ended', async () => {
    await runMayfly(['init', '--data', 'ended', '--keep-root-key', '--origin', 'ca.example/log/one'], {
      cwd,
    });
    const ca = new X509Certificate(await text('ended/ca/chain.pem')).fingerprint256;
    const words = ['--at', 'now', '--reason', 'compromise', '--in-force'];
    const ended = await runMayfly(['trust', 'end', '--data', 'ended', '--ca', ca, ...words], { cwd });
    expect(ended.code, ended.stderr).to.equal(0);
    for (const time of ['first', 'again']) {
      const { code, stderr } = await runMayfly(['trust', 'export', '--data', 'ended', '--out', 'of-ended'], {
        cwd,
      });
      expect(code, `${time}: ${stderr}`).to.equal(0);
    }
    expect(await text('of-ended/root.pem')).to.equal('');
    // What was signed before the end is verified with it.
    expect(
      (await readTrustDirectory(join(cwd, 'of-ended'))).trustedRoot?.certificateAuthorities,
    ).to.have.length(1);
  });

  it('names, of a directory for development, the address on which its service listens or listened last', async () => {
    const data = join(cwd, 'development');
    const service = await startDev({ data });
    const run = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await runMayfly([...args, '--data', data], { cwd });
      expect(code, stderr).to.equal(0);
      return stdout;
    };
    let served: string;
    try {
      served = await (await fetch(`${service.url}/trust/client_trust_config.json`)).text();
      await run('trust', 'export', '--out', 'running');
    } finally {
      await service.stop();
    }
    await run('trust', 'export', '--out', 'stopped');
    for (const out of ['running', 'stopped'])
      expect(await text(out, 'client_trust_config.json'), out).to.equal(served);
    expect(served).to.include(service.url);
    expect(await run('trust', 'tuf', 'status')).to.not.include('Not as exported');
  });
});
