import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { differencesOf } from '../../trust/differences.ts';
import { EMPTY_TRUSTED_ROOT, parseTrustedRoot, type TrustedRoot } from '../../trust/format/trusted-root.ts';
import { authorityObservations, logObservations } from '../../trust/observations.ts';

const shape = (name: string): TrustedRoot =>
  parseTrustedRoot(readFileSync(`test/vectors/trust-shapes/${name}/trusted_root.json`, 'utf8'));
const GOOD = shape('rekor1-tsa');
const END = Date.UTC(2027, 0, 1);
const WITH_END: TrustedRoot = {
  certificateAuthorities: GOOD.certificateAuthorities.map((one) => ({
    ...one,
    window: { ...one.window, end: END },
  })),
  certificateLogs: GOOD.certificateLogs.map((one) => ({ ...one, window: { ...one.window, end: END } })),
  timestampAuthorities: GOOD.timestampAuthorities.map((one) => ({
    ...one,
    window: { ...one.window, end: END },
  })),
  artifactLogs: GOOD.artifactLogs.map((one) => ({ ...one, window: { ...one.window, end: END } })),
};
const CA = 'CN=Interop CA intermediate, O=Interop Org';
const LOG = 'http://127.0.0.1:7700/log/2026/';

const sentences = (a: TrustedRoot, b: TrustedRoot): readonly string[] =>
  differencesOf({ root: a, name: 'A' }, { root: b, name: 'B' }).map(({ sentence }) => sentence);

describe('trust/differences', () => {
  it('has nothing to say of what is the same', () => {
    expect(sentences(GOOD, GOOD)).to.deep.equal([]);
    expect(sentences(EMPTY_TRUSTED_ROOT, EMPTY_TRUSTED_ROOT)).to.deep.equal([]);
  });

  it('says what an end means for each kind, and what it means when it goes', () => {
    expect(sentences(GOOD, WITH_END)).to.deep.equal([
      `certificates of CA ${CA} issued after 2027-01-01T00:00:00Z are no longer accepted`,
      `certificates logged in ${LOG} after 2027-01-01T00:00:00Z are no longer accepted`,
      'timestamps of CN=Interop TSA, O=Interop Org made after 2027-01-01T00:00:00Z are no longer accepted',
      'entries of Rekor http://127.0.0.1:7740 made after 2027-01-01T00:00:00Z are no longer accepted',
    ]);
    expect(sentences(WITH_END, GOOD)[0]).to.equal(
      `certificates of CA ${CA} issued after 2027-01-01T00:00:00Z are accepted now`,
    );
  });

  it('says who refuses what is new, and what is gone', () => {
    const without = { ...GOOD, certificateLogs: [], artifactLogs: [] };
    expect(sentences(without, GOOD)).to.deep.equal([
      `new log ${LOG}, from 2026-11-29T03:57:18Z: clients with A refuse certificates that are logged there alone`,
      'new Rekor http://127.0.0.1:7740, from 2026-01-01T00:00:00Z: clients with A do not count its entries',
    ]);
    expect(sentences(GOOD, without)[0]).to.equal(
      `the log ${LOG} is gone: clients with B refuse certificates that are logged there alone, the old ones too`,
    );
  });

  it('knows a log with its key under another id again', () => {
    const [log] = GOOD.certificateLogs;
    if (log === undefined) throw new Error('no log');
    const renamed = { ...GOOD, certificateLogs: [{ ...log, logId: new Uint8Array(32) }] };
    const [only, ...more] = sentences(GOOD, renamed);
    expect(more).to.deep.equal([]);
    expect(only).to.match(/^the log \S+: key known, log id different \(it was \S+=, and is A{43}=\)/);
  });

  it('says when a window begins elsewhere, a URL is another, and another stands first', () => {
    const [authority] = GOOD.certificateAuthorities;
    if (authority === undefined) throw new Error('no CA');
    const { start } = authority.window;
    const later = { ...authority, window: { start: start + 60_000 }, uri: 'https://other.example' };
    const changed = { ...GOOD, certificateAuthorities: [later] };
    expect(sentences(GOOD, changed)).to.deep.equal([
      `certificates of CA ${CA} issued before 2026-11-29T03:58:18Z are no longer accepted (they were from 2026-11-29T03:57:18Z on)`,
      `the CA ${CA} has another URL: what is accepted stays the same`,
    ]);
    expect(sentences(changed, GOOD)[0]).to.equal(
      `certificates of CA ${CA} issued from 2026-11-29T03:57:18Z to 2026-11-29T03:58:18Z are accepted now`,
    );
    const [tsa] = GOOD.timestampAuthorities;
    if (tsa === undefined) throw new Error('no authority');
    const both = { ...GOOD, certificateAuthorities: [authority, tsa] };
    const turned = { ...GOOD, certificateAuthorities: [tsa, authority] };
    expect(sentences(both, turned)).to.deep.equal([
      'the CA CN=Interop TSA, O=Interop Org stands first now: clients that look at one alone take it',
    ]);
    const shorter = { ...authority, chain: authority.chain.slice(0, 1) };
    expect(sentences(GOOD, { ...GOOD, certificateAuthorities: [shorter] })[0]).to.include(
      'other certificates',
    );
  });
});

describe('trust/differences, with several entries of one authority or log', () => {
  const ca = GOOD.certificateAuthorities[0];
  const log = GOOD.certificateLogs[0];
  const rekor = GOOD.artifactLogs[0];
  if (ca === undefined || log === undefined || rekor === undefined) throw new Error('no entry');

  it('lets none hide another: one more that does not end, one that is gone', () => {
    const ended = { ...ca, window: { ...ca.window, end: END } };
    for (const [before, after] of [
      [[ended], [ended, ca]],
      [[ended], [ca, ended]],
    ] as const) {
      const [a, b] = [before, after].map((authorities) => ({ ...GOOD, certificateAuthorities: authorities }));
      if (a === undefined || b === undefined) throw new Error('no root');
      expect(sentences(a, b)).to.deep.equal([
        `certificates of CA ${CA} issued from 2026-11-29T03:57:18Z are accepted too, by one more entry of it`,
      ]);
      expect(sentences(b, a)).to.deep.equal([
        `certificates of CA ${CA} issued from 2026-11-29T03:57:18Z are no longer accepted by an entry that is gone; others of it stay`,
      ]);
    }
    const two = { ...GOOD, certificateLogs: [log, { ...log, window: { ...log.window, end: END } }] };
    const moved = {
      ...GOOD,
      certificateLogs: [{ ...log, window: { ...log.window, end: END - 60_000 } }, log],
    };
    expect(sentences(two, moved)).to.deep.equal([
      `certificates logged in ${LOG} after 2026-12-31T23:59:00Z are no longer accepted`,
    ]);
  });

  it('takes a second id for a known key for what is new, and a renamed log without its end for both', () => {
    const second = { ...log, logId: new Uint8Array(32) };
    expect(sentences(GOOD, { ...GOOD, certificateLogs: [log, second] })[0]).to.match(/^new log /);
    const renamed = sentences(WITH_END, { ...WITH_END, certificateLogs: [second] });
    expect(renamed[0]).to.include('log id different');
    expect(renamed[1]).to.equal(`certificates logged in ${LOG} after 2027-01-01T00:00:00Z are accepted now`);
  });

  it('has a sentence for every member that differs, and for the order', () => {
    const members: readonly [TrustedRoot, RegExp][] = [
      [
        { ...GOOD, certificateLogs: [{ ...log, publicKey: rekor.publicKey }] },
        /another key under the same id/,
      ],
      [{ ...GOOD, certificateLogs: [{ ...log, keyDetails: 'PKIX_ED25519' }] }, /said to be PKIX_ED25519/],
      [
        { ...GOOD, artifactLogs: [{ ...rekor, checkpointKeyId: new Uint8Array(4) }] },
        /key id in its checkpoints/,
      ],
      [{ ...GOOD, certificateLogs: [{ ...log, operator: 'other' }] }, /other names/],
      [{ ...GOOD, certificateAuthorities: [{ ...ca, commonName: 'other' }] }, /other names/],
      [{ ...GOOD, certificateAuthorities: [{ ...ca, organization: 'other' }] }, /other names/],
      [{ ...GOOD, certificateAuthorities: [{ ...ca, chain: [...ca.chain].reverse() }] }, /^new CA /],
    ];
    for (const [other, says] of members) expect(sentences(GOOD, other).join('\n')).to.match(says);
    const three = [1, 2, 3].map((byte) => ({ ...log, logId: new Uint8Array(32).fill(byte) }));
    const [one, two, last] = three;
    if (one === undefined || two === undefined || last === undefined) throw new Error('no log');
    expect(
      sentences({ ...GOOD, certificateLogs: three }, { ...GOOD, certificateLogs: [one, last, two] }),
    ).to.deep.equal(['the list of every certificate log differs otherwise, such as in its order']);
  });
});

describe('trust/observations', () => {
  const NOW = Date.UTC(2026, 11, 1);

  it('finds nothing odd in files that stock clients took', () => {
    for (const name of ['ca-only', 'tsa', 'rekor1', 'rekor1-tsa', 'rekor2']) {
      const root = shape(name);
      for (const log of root.certificateLogs) expect(logObservations(log, false), name).to.deep.equal([]);
      for (const log of root.artifactLogs) expect(logObservations(log, true), name).to.deep.equal([]);
      for (const authority of [...root.certificateAuthorities, ...root.timestampAuthorities])
        expect(authorityObservations(authority, NOW), name).to.deep.equal([]);
    }
  });

  it('finds a Rekor of tiles that is named by the hash of its key', () => {
    const [log] = shape('rekor2').artifactLogs;
    if (log === undefined) throw new Error('no log');
    const wrong = { ...log, logId: new Uint8Array(32) };
    expect(logObservations(wrong, true).join()).to.equal(
      `key known, log id different: the id that clients look for is ${Buffer.from(log.logId).toString('base64')}`,
    );
  });

  it('finds certificates that ended, and windows that end before they begin', () => {
    const [authority] = GOOD.certificateAuthorities;
    if (authority === undefined) throw new Error('no CA');
    const wrong = {
      ...authority,
      chain: [...authority.chain, Uint8Array.of(1)],
      window: { start: 2, end: 1 },
    };
    const found = authorityObservations(wrong, Date.UTC(2031, 0, 1));
    expect(found.join('\n')).to.equal(
      [
        'it ends before it begins: nothing of it counts',
        'its first certificate ended on 2029-11-28T21:57:18Z',
        'its root cannot be read',
      ].join('\n'),
    );
  });
});
