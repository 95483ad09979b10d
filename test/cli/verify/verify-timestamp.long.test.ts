import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { fromBase64, toHex } from '../../../core/bytes.ts';
import { DerReader, readOnly } from '../../../core/der-reader.ts';
import { Tag } from '../../../core/der-tag.ts';
import { encodePem } from '../../../core/pem.ts';
import { type MayflyResult, runMayfly } from '../../support/mayfly.ts';
import { vectorPath } from '../../support/vectors.ts';

describe('mayfly verify timestamp', function () {
  this.timeout(120_000);
  const { authorities, cases } = JSON.parse(readFileSync(vectorPath('sigstore-timestamps.json'), 'utf8')) as {
    authorities: Record<string, unknown>;
    cases: { name: string; timestamp: string; message: string; trust: string }[];
  };
  const vector = cases.find(({ name }) => name === 'rekor2-dsse-happy-path');
  const message = fromBase64(vector?.message ?? '');
  const sha256 = toHex(createHash('sha256').update(message).digest());
  let cwd: string;

  before(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'mayfly-verify-timestamp-'));
    await writeFile(join(cwd, 'token.tsr'), fromBase64(vector?.timestamp ?? ''));
    await writeFile(join(cwd, 'token.b64'), `${vector?.timestamp ?? ''}\n`);
    await writeFile(join(cwd, 'message'), message);
    await writeFile(join(cwd, 'other'), 'other');
    const root = (timestampAuthorities: unknown): string =>
      JSON.stringify({
        mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
        tlogs: [],
        certificateAuthorities: [],
        ctlogs: [],
        timestampAuthorities,
      });
    await writeFile(join(cwd, 'trusted_root.json'), root(authorities[vector?.trust ?? '']));
    await writeFile(join(cwd, 'empty.json'), root([]));
  });
  after(() => rm(cwd, { recursive: true }));

  const verify = (...args: string[]): Promise<MayflyResult> =>
    runMayfly(['verify', 'timestamp', ...args], { cwd });

  it('says when the bytes were there, for people and for machines', async () => {
    const trust = ['--trust', 'trusted_root.json'];
    const { code, stdout, stderr } = await verify('token.tsr', '--artifact', 'message', ...trust);
    expect([code, stdout]).to.satisfy(
      ([status, text]: [number, string]) =>
        status === 0 && text.includes('Verified: these bytes were there at 202'),
    );
    expect(stdout)
      .to.match(/^ok {6}token /m)
      .and.to.match(/^ok {6}signature /m);
    expect(stderr).to.include('Not checked: what the bytes are');
    const json = await verify(
      'token.b64',
      '--digest',
      `sha256:${sha256}`,
      ...trust,
      '--policy',
      '1.3.6.1.4.1.57264.2',
      '--json',
    );
    const facts = JSON.parse(json.stdout) as Record<string, unknown>;
    expect([json.code, json.stderr]).to.deep.equal([0, '']);
    expect(facts).to.deep.include({ ok: true, fault: null, failed: [], skipped: [], notChecked: ['nonce'] });
    expect(facts['time']).to.match(/^202\d-/);
  });

  it('says what else a file is', async () => {
    // TimeStampReq: version, imprint.
    const query = Uint8Array.of(0x30, 5, 2, 1, 1, 0x30, 0);
    for (const [bytes, says] of [
      ['{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}', /holds JSON[^]*mayfly verify bundle/],
      [query, /is a request for a timestamp, and no timestamp/],
    ] as const) {
      await writeFile(join(cwd, 'wrong.tsr'), bytes);
      const { code, stderr } = await verify(
        'wrong.tsr',
        '--artifact',
        'message',
        '--trust',
        'trusted_root.json',
      );
      expect([code, says.test(stderr)], stderr).to.deep.equal([2, true]);
    }
  });

  it('reads the token as PEM, and says what else a PEM file holds', async () => {
    const answer = new DerReader(readOnly(fromBase64(vector?.timestamp ?? ''), Tag.sequence).value);
    answer.next(Tag.sequence);
    const token = answer.next(Tag.sequence).raw;
    const rest = ['--artifact', 'message', '--trust', 'trusted_root.json'];
    for (const [text, exit, says] of [
      [encodePem('PKCS7', token), 0, /^Verified: /m],
      [`a timestamp\n${encodePem('CMS', token)}`, 0, /^Verified: /m],
      [encodePem('CMS', token.subarray(0, -1)), 1, /^FAILED {2}token/m],
      [encodePem('CERTIFICATE', token), 2, /is PEM and holds "CERTIFICATE"/],
      [encodePem('CMS', token).repeat(2), 2, /is PEM and holds "CMS", "CMS"/],
      [encodePem('CMS', token).slice(0, -20), 2, /is PEM that cannot be read/],
    ] as const) {
      await writeFile(join(cwd, 'token.pem'), text);
      const { code, stdout, stderr } = await verify('token.pem', ...rest);
      expect([code, says.test(stdout + stderr)], stdout + stderr).to.deep.equal([exit, true]);
    }
  });

  it('names the step that fails, and exits with 1', async () => {
    const trust = ['--trust', 'trusted_root.json'];
    const other = await verify('token.tsr', '--artifact', 'other', ...trust, '--nonce', '0x1f', '--json');
    expect(other.code).to.equal(1);
    expect(JSON.parse(other.stdout)).to.deep.include({
      ok: false,
      fault: 'certificate',
      time: null,
      failed: ['imprint'],
      skipped: ['time', 'nonce'],
    });
    const nonce = await verify('token.tsr', '--artifact', 'message', ...trust, '--nonce', '31');
    expect(nonce.stdout).to.match(/^FAILED {2}nonce [^]*genuine, but not the one that was asked for/m);
    await writeFile(join(cwd, 'broken.tsr'), 'no timestamp');
    const broken = await verify('broken.tsr', '--artifact', 'message', ...trust);
    expect([broken.code, broken.stdout]).to.satisfy(
      ([status, text]: [number, string]) => status === 1 && text.startsWith('FAILED  token'),
    );
  });

  it('says what cannot be used, and exits with 2', async () => {
    for (const [args, says] of [
      [['token.tsr', '--artifact', 'message'], /give --trust/],
      [['token.tsr', '--trust', 'trusted_root.json'], /say what was timestamped/],
      [['token.tsr', '--artifact', 'gone', '--trust', 'trusted_root.json'], /gone cannot be read/],
      [['token.tsr', '--artifact', 'message', '--trust', 'empty.json'], /no timestamp authority is in it/],
      [['token.tsr', '--digest', 'sha256:00', '--trust', 'trusted_root.json'], /--digest takes/],
      [
        ['token.tsr', '--artifact', 'message', '--trust', 'trusted_root.json', '--nonce', 'x'],
        /--nonce takes/,
      ],
      [
        ['token.tsr', '--artifact', 'message', '--trust', 'trusted_root.json', '--policy', 'x'],
        /--policy takes/,
      ],
      [['gone', '--artifact', 'message', '--trust', 'trusted_root.json'], /gone does not exist/],
    ] as const) {
      const { code, stderr } = await verify(...args);
      expect([code, says.test(stderr)], `${args.join(' ')}: ${stderr}`).to.deep.equal([2, true]);
    }
  });
});
