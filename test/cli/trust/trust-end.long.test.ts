import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { X509Certificate } from 'node:crypto';
import { expect } from 'chai';
import { toBase64 } from '../../../core/bytes.ts';
import { readArtifactLogIdentity } from '../../../rekor/log-identity.ts';
import { parseTrustedRoot, type TrustedRoot } from '../../../trust/format/trusted-root.ts';
import { runMayfly, type MayflyResult } from '../../support/mayfly.ts';

describe('mayfly trust end', function () {
  this.timeout(60_000);
  let cwd: string;
  let fingerprint: string;
  beforeEach(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'mayfly-trust-end-'));
    const made = await runMayfly(
      ['init', '--data', 'data', '--root-key-out', 'root.key', '--origin', 'ca.example/log/one'],
      { cwd },
    );
    expect(made.code, made.stderr).to.equal(0);
    fingerprint = new X509Certificate(await readFile(join(cwd, 'data/ca/chain.pem'))).fingerprint256;
  });
  afterEach(() => rm(cwd, { recursive: true }));

  const end = (...words: string[]): Promise<MayflyResult> =>
    runMayfly(['trust', 'end', '--data', 'data', ...words], { cwd });
  const ledger = async (): Promise<TrustedRoot> =>
    parseTrustedRoot(await readFile(join(cwd, 'data/trust/trusted_root.json'), 'utf8'));
  const endsOf = async (list: keyof TrustedRoot): Promise<(number | undefined)[]> =>
    (await ledger())[list].map(({ window }) => window.end);

  const later = new Date(Math.ceil(Date.now() / 1000) * 1000 + 3_600_000);
  const T = later.toISOString().replace('.000', '');
  const superseded = ['--reason', 'superseded', '--at', T];

  it('refuses to end what is in force, unless that is said, and says what happens then', async () => {
    const refused = await end('--ca', fingerprint, ...superseded);
    expect(refused.code).to.equal(1);
    expect(refused.stderr).to.match(/CN=Mayfly CA intermediate.* is in force[^]*--in-force/);
    const ended = await end('--ca', fingerprint, ...superseded, '--in-force');
    expect(ended.code, ended.stderr).to.equal(0);
    expect(ended.stdout).to.match(/all that it signs after that time is refused/);
    expect(ended.stdout).to.include(`logged after ${T} are refused`);
    expect(await endsOf('certificateAuthorities')).to.deep.equal([later.getTime()]);
    expect(await endsOf('certificateLogs'), 'the others go on').to.deep.equal([undefined]);
  });

  it('says of a log of artifacts which it is, and what takes its place', async () => {
    const { logId } = await readArtifactLogIdentity(join(cwd, 'data/artifacts/v2'));
    const log = toBase64(logId);
    const refused = await end('--log', log, ...superseded);
    expect(refused.stderr)
      .to.match(/ \(Rekor v2\) is in force/)
      .and.match(/Put a successor in force first \(rekor rotate\)/);
    const ended = await end('--log', log, ...superseded, '--in-force');
    expect(ended.code, ended.stderr).to.equal(0);
    expect(ended.stdout)
      .to.match(/The artifact log .* \(Rekor v2\) is trusted from/)
      .and.match(/the service refuses new entries in it\. Put a successor in force \(rekor rotate\)/);
  });

  it('moves an end to an earlier time, and to a later one only where that is said', async () => {
    const words = ['--log', 'one', '--reason', 'compromise', '--in-force'];
    expect((await end(...words, '--at', T)).stdout).to.match(/log list --since 20/);
    const now = await end(...words, '--at', 'now', '--json');
    expect(JSON.parse(now.stdout)).to.deep.include({ reason: 'compromise', inForce: true });
    const refused = await end(...words, '--at', T);
    expect([refused.code, refused.stderr]).to.satisfy(
      ([code, text]: [number, string]) => code === 1 && /ended already at 20[^]*--later/.test(text),
    );
    expect(await endsOf('certificateLogs')).not.to.deep.equal([later.getTime()]);
    expect((await end(...words, '--at', T, '--later')).code).to.equal(0);
    expect(await endsOf('certificateLogs')).to.deep.equal([later.getTime()]);
  });

  it('takes the fingerprint of a root for all below it, and the id of a log in both spellings', async () => {
    const pems = (await readFile(join(cwd, 'data/ca/chain.pem'), 'utf8')).split(
      /(?<=END CERTIFICATE-----\n)/,
    );
    const root = new X509Certificate(pems[1] ?? '').fingerprint256.replaceAll(':', '').toLowerCase();
    expect((await end('--ca', root, ...superseded, '--in-force')).code).to.equal(0);
    expect(await endsOf('certificateAuthorities')).to.deep.equal([later.getTime()]);
    const id = Buffer.from((await ledger()).certificateLogs[0]?.logId ?? []);
    for (const text of [id.toString('base64'), id.toString('hex')])
      expect((await end('--log', text, ...superseded, '--in-force')).code, text).to.equal(0);
  });

  it('says what is wrong with what it is asked, and changes nothing', async () => {
    const before = '2020-01-01T00:00:00Z';
    for (const [words, says] of [
      [['--reason', 'superseded', '--at', T], /one of --ca, --log and --tsa/],
      [['--ca', 'a', '--log', 'b', ...superseded], /one of --ca, --log and --tsa/],
      [
        ['--ca', 'ab'.repeat(32), ...superseded],
        /nothing that is trusted is called "abab[^]*CN=Mayfly CA intermediate/,
      ],
      [['--log', 'two', ...superseded], /"two"[^]*\/log\/one/],
      [['--log', 'one', '--reason', 'boredom', '--at', T], /superseded, compromise/],
      [['--log', 'one', '--reason', 'superseded', '--at', 'soon'], /RFC 3339/],
      [['--log', 'one', '--reason', 'superseded', '--in-force', '--at', before], /only from 20/],
    ] as const) {
      const { code, stderr } = await end(...words);
      expect(code, words.join(' ')).to.be.above(0);
      expect(stderr).to.match(says);
    }
    expect(await ledger().catch(() => 'none')).to.equal('none');
  });
});
