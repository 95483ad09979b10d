import { expect } from 'chai';
import fc from 'fast-check';
import { utf8 } from '../../core/bytes.ts';
import { platformCrypto } from '../../cli/verify/platform-crypto.ts';
import { DerReader, readOnly } from '../../core/der-reader.ts';
import { Tag } from '../../core/der-tag.ts';
import * as der from '../../core/der-writer.ts';
import { leafIndexExtension } from '../../ct-log/format/leaf-index.ts';
import { encodeSctList, POISON_OID, SCT_LIST_OID } from '../../ct-log/format/sct.ts';
import { anything, exactly, matching } from '../../verify/identity-policy.ts';
import type { VerifyCrypto } from '../../verify/crypto.ts';
import type { StepName } from '../../verify/step.ts';
import { verifyCertificate, type Verification, type VerifyRequest } from '../../verify/verify-certificate.ts';
import type { TrustedLog } from '../../verify/trust.ts';
import { VerifyError } from '../../verify/verify-error.ts';
import { hex } from '../support/parsers.ts';
import {
  altName,
  caConstraints,
  certificateOf,
  extendedUsage,
  extension,
  flipped,
  fulcio,
  IDENTITY,
  ISSUER,
  KEYS,
  makeWorld,
  ORIGIN,
  T0,
  withExponent,
  usage,
  withExtensions,
  type Bend,
  type Plan,
} from '../support/verify-world.ts';
import { failureOf } from '../support/failure.ts';
import { isFull, runs } from '../support/runs.ts';

const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const policy = { identity: exactly(IDENTITY), issuer: exactly(ISSUER) };

const verify = (bend: Bend, change: Partial<VerifyRequest> = {}): Promise<Verification> =>
  verifyCertificate({ ...makeWorld(bend), policy, crypto: platformCrypto, ...change });
const failures = ({ steps }: Verification): StepName[] =>
  steps.filter(({ ok }) => !ok).map(({ name }) => name);
const names = ({ steps }: Verification): StepName[] => steps.map(({ name }) => name);

const leaf = (change: Readonly<Record<string, Uint8Array | undefined>>): Bend => ({
  leaf: (plan) => withExtensions(plan, change),
});
const intermediate = (change: Readonly<Record<string, Uint8Array | undefined>>): Bend => ({
  intermediate: (plan) => withExtensions(plan, change),
});
const root = (change: Readonly<Record<string, Uint8Array | undefined>>): Bend => ({
  root: (plan) => withExtensions(plan, change),
});
const unknownCritical = { odd: extension('1.2.3', hex('0500'), true) };
const twoNames = extension('2.5.29.17', der.sequence(hex('81 01 61'), hex('82 01 62')), true);

type WrongRow = readonly [what: string, bend: Bend, step: StepName, detail: RegExp];

/** Each with exactly one thing wrong: the first step that must fail, and what it must say. */
const WRONG: readonly WrongRow[] = [
  ['a precertificate', leaf({ poison: extension(POISON_OID, hex('0500'), true) }), 'certificate', /poison/],
  [
    'a poison that is not critical',
    leaf({ poison: extension(POISON_OID, hex('0500')) }),
    'certificate',
    /poison/,
  ],
  [
    'an unknown critical extension in the leaf',
    leaf(unknownCritical),
    'certificate',
    /unknown critical extension 1\.2\.3/,
  ],
  ['a CA as signer', leaf({ bc: caConstraints() }), 'certificate', /of a CA/],
  ['a leaf without key usage', leaf({ ku: undefined }), 'certificate', /key usage/],
  ['a leaf whose key may not sign', leaf({ ku: usage('05 20') }), 'certificate', /key usage/],
  [
    'a malformed key usage',
    leaf({ ku: extension('2.5.29.15', hex('03 01 00'), true) }),
    'certificate',
    /KeyUsage is malformed/,
  ],
  ['a leaf for TLS servers', leaf({ eku: extendedUsage(SERVER_AUTH) }), 'certificate', /code signing/],
  ['a leaf for every use', leaf({ eku: extendedUsage('2.5.29.37.0') }), 'certificate', /code signing/],
  ['a leaf without extended key usage', leaf({ eku: undefined }), 'certificate', /code signing/],
  ['no SCT', { sctList: () => undefined }, 'sct', /no SCT/],
  ['two SCTs', { sctList: twice }, 'sct', /exactly one SCT/],
  ['an SCT of version 2', { sct: (good) => flipped(good, 0) }, 'sct', /version 1/],
  ['an SCT of an unknown log', { sctKey: KEYS.other }, 'sct', /not trusted/],
  ['an SCT with another hash', { sct: (good) => flipped(good, 51) }, 'sct', /ECDSA with SHA-256/],
  ['an SCT that says RSA', { sct: (good) => flipped(good, 52) }, 'sct', /ECDSA with SHA-256/],
  [
    'a cut list of SCTs',
    { sctList: () => extension(SCT_LIST_OID, hex('04 03 0005 00')) },
    'sct',
    /ends too early/,
  ],
  ['a flipped SCT signature', { sct: (good) => flipped(good) }, 'sct-signature', /does not hold/],
  ['an SCT for another time', { sct: (good) => flipped(good, 40) }, 'sct-signature', /does not hold/],
  ['an SCT for another index', { sct: (good) => flipped(good, 50) }, 'sct-signature', /does not hold/],
  [
    'an SCT for another issuing key',
    { intermediate: (plan) => ({ ...plan, key: { ...KEYS.intermediate, spki: KEYS.other.spki } }) },
    'chain',
    /does not hold/,
  ],
  ['an SCT after the end of all calendars', { sctTime: Number.MAX_SAFE_INTEGER }, 'sct', /time/],
  ['an SCT before the certificate', { sctTime: T0 - 1 }, 'chain', /not yet/],
  ['an SCT after the certificate', { sctTime: T0 + 600_001 }, 'chain', /no longer/],
  [
    'an expired intermediate',
    { intermediate: (plan) => ({ ...plan, notAfter: T0 - 1000 }) },
    'chain',
    /"CN=Issuing" was valid until/,
  ],
  [
    'an intermediate of tomorrow',
    { intermediate: (plan) => ({ ...plan, notBefore: T0 + 86_400_000 }) },
    'chain',
    /not yet/,
  ],
  [
    'an expired root',
    { root: (plan) => ({ ...plan, notAfter: T0 - 1000 }) },
    'chain',
    /"CN=Root" was valid until/,
  ],
  ['an intermediate that is no CA', intermediate({ bc: undefined }), 'chain', /is no CA/],
  [
    'BasicConstraints that are not critical',
    intermediate({ bc: caConstraints(0, false) }),
    'chain',
    /critical/,
  ],
  [
    'an intermediate that may not sign certificates',
    intermediate({ ku: usage('07 80') }),
    'chain',
    /sign certificates/,
  ],
  ['an intermediate without key usage', intermediate({ ku: undefined }), 'chain', /sign certificates/],
  [
    'an intermediate for TLS servers',
    intermediate({ eku: extendedUsage(SERVER_AUTH) }),
    'chain',
    /code signing below/,
  ],
  [
    'an unknown critical extension in the intermediate',
    intermediate(unknownCritical),
    'chain',
    /unknown critical/,
  ],
  [
    'name constraints',
    intermediate({ nc: extension('2.5.29.30', der.sequence()) }),
    'chain',
    /name constraints/,
  ],
  [
    'a poisoned intermediate',
    intermediate({ poison: extension(POISON_OID, hex('0500'), true) }),
    'chain',
    /unknown critical/,
  ],
  ['a root that is no CA', root({ bc: extension('2.5.29.19', der.sequence(), true) }), 'chain', /is no CA/],
  [
    'a root that allows no CA below',
    root({ bc: caConstraints(0) }),
    'chain',
    /allows 0 CAs below it, here are 1/,
  ],
  ['a root for TLS servers', root({ eku: extendedUsage(SERVER_AUTH) }), 'chain', /code signing below/],
  [
    'a leaf signed by another key',
    { leaf: (plan) => ({ ...plan, signer: KEYS.other }) },
    'chain',
    /does not hold/,
  ],
  [
    'a leaf signed by another kind of key',
    { leaf: (plan) => ({ ...plan, signer: KEYS.rsa }) },
    'chain',
    /does not fit/,
  ],
  [
    'a leaf signed with SHA-1',
    { leaf: (plan) => ({ ...plan, algorithm: der.sequence(der.oid('1.2.840.10045.4.1')) }) },
    'chain',
    /unknown or weak/,
  ],
  [
    'a short RSA key',
    {
      intermediate: (plan) => ({ ...plan, key: KEYS.shortRsa }),
      leaf: (plan) => ({ ...plan, signer: KEYS.shortRsa }),
    },
    'chain',
    /too short/,
  ],
  [
    'an RSA key with an exponent as long as its modulus',
    {
      intermediate: (plan) => ({ ...plan, key: withExponent(KEYS.rsa, new Uint8Array(256).fill(0x7f)) }),
      leaf: (plan) => ({ ...plan, signer: KEYS.rsa }),
    },
    'chain',
    /has an exponent that is not/,
  ],
  [
    'an intermediate signed by another root',
    { intermediate: (plan) => ({ ...plan, signer: { ...KEYS.p521 } }) },
    'chain',
    /does not hold/,
  ],
  [
    'an intermediate of an unknown root',
    { intermediate: (plan) => ({ ...plan, issuer: nobody }) },
    'chain',
    /no trusted root is named "CN=Nobody"/,
  ],
  [
    'a leaf of an unknown CA',
    { leaf: (plan) => ({ ...plan, issuer: nobody }) },
    'chain',
    /no trusted CA is named "CN=Nobody"/,
  ],
  [
    'a CA without a name',
    {
      intermediate: (plan) => ({ ...plan, subject: der.sequence() }),
      leaf: (plan) => ({ ...plan, issuer: der.sequence() }),
    },
    'chain',
    /empty name/,
  ],
  ['no SubjectAltName', leaf({ san: undefined }), 'identity', /names nobody/],
  [
    'a SubjectAltName that is not critical',
    leaf({ san: extension('2.5.29.17', der.sequence(hex('81 01 61'))) }),
    'identity',
    /must be critical/,
  ],
  ['two names', leaf({ san: twoNames }), 'identity', /exactly one/],
  ['no name', leaf({ san: extension('2.5.29.17', der.sequence(), true) }), 'identity', /exactly one/],
  [
    'a DNS name',
    leaf({ san: extension('2.5.29.17', der.sequence(hex('82 01 62')), true) }),
    'identity',
    /neither/,
  ],
  [
    'somebody else',
    leaf({ san: altName({ type: 'email', value: 'mallory@example.com' }) }),
    'identity',
    /"mallory@example\.com", wanted is "alice@example\.com"/,
  ],
  [
    'the same address in other case',
    leaf({ san: altName({ type: 'email', value: 'Alice@example.com' }) }),
    'identity',
    /wanted/,
  ],
  [
    'another issuer',
    leaf({ issuer1: undefined, issuer8: fulcio(8, der.utf8String('https://evil.example')) }),
    'issuer',
    /evil/,
  ],
  ...['https://evil.example', ISSUER.replace(/.$/, 'f'), ISSUER.replace('https', 'httpx'), `${ISSUER}/`].map(
    (issuer): WrongRow => [
      `two issuers that disagree: ${issuer}`,
      leaf({ issuer1: fulcio(1, utf8(issuer)) }),
      'issuer',
      /two different/,
    ],
  ),
  [
    'no issuer extension',
    leaf({ issuer1: undefined, issuer8: undefined }),
    'issuer',
    /does not name its OpenID issuer .*, as those of GitHub/,
  ],
  [
    'another issuer in the older extension alone',
    leaf({ issuer1: fulcio(1, utf8('https://evil.example')), issuer8: undefined }),
    'issuer',
    /evil/,
  ],
  [
    'an empty issuer in the older extension alone',
    leaf({ issuer1: fulcio(1, utf8('')), issuer8: undefined }),
    'issuer',
    /empty/,
  ],
  [
    'an issuer that is no text in the older extension alone',
    leaf({ issuer1: fulcio(1, Uint8Array.of(0xff)), issuer8: undefined }),
    'issuer',
    /UTF-8/,
  ],
  ['an older issuer that is no text', leaf({ issuer1: fulcio(1, Uint8Array.of(0xff)) }), 'issuer', /UTF-8/],
  [
    'an empty issuer',
    leaf({ issuer1: undefined, issuer8: fulcio(8, der.utf8String('')) }),
    'issuer',
    /empty/,
  ],
  ['a raw issuer where DER belongs', leaf({ issuer8: fulcio(8, utf8(ISSUER)) }), 'issuer', /DER/],
  [
    'bytes behind the issuer',
    leaf({ issuer8: fulcio(8, Uint8Array.from([...der.utf8String(ISSUER), 0])) }),
    'issuer',
    /follow/,
  ],
];

const nobody = der.sequence(der.set(der.sequence(der.oid('2.5.4.3'), der.utf8String('Nobody'))));

function twice(good: Uint8Array): Uint8Array {
  const value = readOnly(good, Tag.sequence).value;
  const reader = new DerReader(value);
  reader.next();
  const sct = reader.next(Tag.octetString).value.subarray(6);
  return extension(SCT_LIST_OID, encodeSctList([sct, sct]));
}

describe('verify/verify-certificate', () => {
  it('accepts a right certificate, step by step, and says whose it is', async () => {
    const answer = await verify({}, { requireInclusion: true });
    expect(answer.steps.map(({ name, ok }) => [name, ok])).to.deep.equal(
      ['certificate', 'sct', 'chain', 'sct-signature', 'sct-time', 'identity', 'issuer', 'inclusion'].map(
        (name) => [name, true],
      ),
    );
    expect(answer).to.include({ ok: true, at: T0 + 250, identity: IDENTITY, issuer: ISSUER });
    expect(answer.steps.at(-1)?.detail).to.equal(`entry 5 of 11 in the log ${ORIGIN}`);
  });

  for (const [what, bend, step, detail] of WRONG) {
    it(`refuses ${what}`, async () => {
      const answer = await verify(bend);
      expect(answer.ok).to.equal(false);
      const failed = answer.steps.find(({ ok }) => !ok);
      expect(failed?.name, JSON.stringify(answer.steps)).to.equal(step);
      expect(failed?.detail).to.match(detail);
    });
  }

  it('accepts every kind of CA key, and a chain of one root', async () => {
    for (const key of [KEYS.rsa, KEYS.p521, KEYS.ed25519]) {
      const bend = {
        intermediate: (plan: Plan) => ({ ...plan, key }),
        leaf: (plan: Plan) => ({ ...plan, signer: key }),
      };
      expect(failures(await verify(bend))).to.deep.equal([]);
    }
    const own = {
      root: (plan: Plan) => ({ ...plan, key: KEYS.intermediate, signer: KEYS.intermediate }),
      leaf: (plan: Plan) => ({ ...plan, issuer: rootName }),
    };
    const world = makeWorld(own);
    const answer = await verifyCertificate({
      ...world,
      trust: { ...world.trust, intermediates: [] },
      policy,
      crypto: platformCrypto,
    });
    expect(failures(answer)).to.deep.equal([]);
  });

  it('finds its way among several CAs of the same name', async () => {
    const world = makeWorld();
    const decoy = makeWorld({ intermediate: (plan) => ({ ...plan, key: KEYS.other }) });
    const intermediates = [...decoy.trust.intermediates, ...world.trust.intermediates];
    const roots = [
      ...makeWorld({ root: (plan) => ({ ...plan, key: KEYS.p521, signer: KEYS.p521 }) }).trust.roots,
      ...world.trust.roots,
    ];
    const answer = await verifyCertificate({
      ...world,
      trust: { ...world.trust, roots, intermediates },
      policy,
      crypto: platformCrypto,
    });
    expect(failures(answer)).to.deep.equal([]);
  });

  it('does not run in circles among CAs that sign each other', async () => {
    const world = makeWorld();
    const plan = (subject: Uint8Array, issuer: Uint8Array): Uint8Array =>
      certificateOf({
        subject,
        issuer,
        key: KEYS.intermediate,
        signer: KEYS.intermediate,
        notBefore: T0 - 1000,
        notAfter: T0 + 1e9,
        extensions: { bc: caConstraints(), ku: usage('01 06') },
      });
    const issuing = der.sequence(der.set(der.sequence(der.oid('2.5.4.3'), der.utf8String('Issuing'))));
    const trust = { ...world.trust, intermediates: [plan(issuing, nobody), plan(nobody, issuing)] };
    expect(
      failures(await verifyCertificate({ ...world, trust, policy, crypto: platformCrypto })),
    ).to.deep.equal(['chain']);
  });

  it('looks at each pair of CAs once at most, also where all of them sign each other', async () => {
    const world = makeWorld();
    const issuing = der.sequence(der.set(der.sequence(der.oid('2.5.4.3'), der.utf8String('Issuing'))));
    const intermediates = Array.from({ length: 16 }, (_, i) =>
      certificateOf({
        subject: issuing,
        issuer: issuing,
        key: KEYS.intermediate,
        signer: KEYS.intermediate,
        notBefore: T0 - 1000 * (i + 1),
        notAfter: T0 + 1e9,
        extensions: { bc: caConstraints(), ku: usage('01 06') },
      }),
    );
    let checked = 0;
    const crypto: VerifyCrypto = {
      ...platformCrypto,
      verify: (...what) => {
        checked++;
        return platformCrypto.verify(...what);
      },
    };
    const answer = await verifyCertificate({
      ...world,
      trust: { ...world.trust, intermediates },
      policy,
      crypto,
    });
    expect(failures(answer)).to.deep.equal(['chain']);
    expect(checked).to.be.within(1, 17 * 16);
  });

  it('judges the chain at the time that it is given, and the SCT at its own', async () => {
    expect(failures(await verify({}, { at: T0 + 600_000 }))).to.deep.equal([]);
    expect(failures(await verify({}, { at: T0 + 601_000 }))).to.deep.equal(['chain']);
    expect(failures(await verify({}, { at: T0 - 1 }))).to.deep.equal(['chain']);
    const late = await verify({ sctTime: T0 + 700_000, headTime: T0 + 700_001 }, { at: T0 + 1000 });
    expect(failures(late)).to.deep.equal(['sct-time']);
    expect(late.at).to.equal(T0 + 1000);
  });

  it('counts the first and the last moment of the validity', async () => {
    for (const sctTime of [T0, T0 + 600_000])
      expect(failures(await verify({ sctTime, headTime: sctTime + 1 }))).to.deep.equal([]);
  });

  it('judges all that it can and nothing that it cannot', async () => {
    const unreadable = await verify({}, { certificate: hex('3000') });
    expect(names(unreadable)).to.deep.equal(['certificate']);
    expect(unreadable).to.include({ ok: false, identity: undefined, issuer: undefined });
    expect(names(await verify({ sctList: () => undefined }))).to.deep.equal(['certificate', 'sct']);
    const dated = await verify({ sctList: () => undefined }, { at: T0 });
    expect(names(dated)).to.deep.equal(['certificate', 'sct', 'chain']);
    const elsewhere = await verify({ leaf: (plan) => ({ ...plan, issuer: nobody }) });
    expect(names(elsewhere)).to.deep.equal(['certificate', 'sct', 'chain']);
    expect(elsewhere.skipped.map(({ name, needs }) => [name, needs])).to.deep.equal([
      ['sct-signature', 'chain'],
      ['sct-time', 'chain'],
      ['identity', 'chain'],
      ['issuer', 'chain'],
      ['inclusion', 'chain'],
    ]);
    expect(elsewhere).to.include({ identity: IDENTITY, issuer: ISSUER });
    expect(names(await verify({}, { proof: undefined }))).to.not.include('inclusion');
  });

  it('holds a name against the policy only when CA and log stand for the certificate', async () => {
    const asked: string[] = [];
    const spy = { description: 'none', accepts: (text: string) => asked.push(text) > 0 };
    const bends: Bend[] = [
      { leaf: (plan) => ({ ...plan, signer: KEYS.other }) },
      { sctList: () => undefined },
      { sct: flipped },
      { sctTime: T0 + 700_000 },
    ];
    for (const bend of bends) {
      const { ok, skipped } = await verify(bend, { at: T0, policy: { identity: spy, issuer: spy } });
      expect(ok).to.equal(false);
      expect(skipped.map(({ name }) => name)).to.include.members(['identity', 'issuer']);
    }
    expect(asked).to.deep.equal([]);
    await verify({}, { policy: { identity: spy, issuer: spy } });
    expect(asked).to.deep.equal([IDENTITY, ISSUER]);
  });

  it('refuses a name for which the expression would take too much work', async () => {
    const answer = await verify(
      {},
      { policy: { identity: matching('x', () => undefined), issuer: anything } },
    );
    expect(failures(answer)).to.deep.equal(['identity']);
    expect(answer.steps.find(({ ok }) => !ok)?.detail).to.include('too much work');
  });

  it('calls trust that cannot be read or names no root a wrong trust, not a wrong certificate', async () => {
    const { trust } = makeWorld();
    const [log] = trust.logs;
    if (log === undefined) throw new Error('no log');
    const wrong = [
      { ...trust, roots: [] },
      { ...trust, roots: [hex('3000')] },
      { ...trust, intermediates: [hex('00')] },
      { ...trust, logs: [{ ...log, publicKey: KEYS.shortRsa.spki }] },
      { ...trust, logs: [{ ...log, publicKey: hex('3000') }] },
      { ...trust, logs: [{ ...log, ed25519PublicKey: hex('00') }] },
    ];
    for (const change of wrong) {
      const error: unknown = await failureOf(verify({}, { trust: change }));
      expect(error).to.be.instanceOf(VerifyError).with.property('code', 'BAD_TRUST');
    }
  });

  it('trusts nothing as a root that did not sign itself, and says which root to trust', async () => {
    const { trust } = makeWorld();
    const selfIssued = makeWorld({ root: (plan) => ({ ...plan, signer: KEYS.p521 }) }).trust.roots;
    for (const [roots, issuer] of [
      [trust.intermediates, 'CN=Root'],
      [[...trust.roots, ...trust.intermediates], 'CN=Root'],
      [selfIssued, 'CN=Root'],
    ] as const) {
      const error: unknown = await failureOf(verify({}, { trust: { ...trust, roots } }));
      expect(error).to.be.instanceOf(VerifyError).with.property('code', 'BAD_TRUST');
      const { message, hint } = error as VerifyError;
      expect(message).to.match(/"CN=(Issuing|Root)" is trusted as a root and is none/);
      expect(hint).to.include(`"${issuer}" issued it`);
    }
  });

  it('shows nothing of an untrusted text that could paint on a terminal', async () => {
    const answer = await verify(leaf({ san: altName({ type: 'username', value: 'a\u001b[2J!b\u202e' }) }));
    const detail = answer.steps.find(({ name }) => name === 'identity')?.detail ?? '';
    expect(detail).to.include('a\\u{1b}[2J!b\\u{202e}');
  });

  it('answers with failed steps, whatever eight bytes of a certificate are made into', async () => {
    const { certificate } = makeWorld();
    const eight = fc.oneof(
      fc.constantFrom(hex('001fffffffffffff'), hex('ffffffffffffffff'), hex('001eb208c2dc0001')),
      fc.uint8Array({ minLength: 8, maxLength: 8 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.nat(certificate.length - 8), eight, async (at, bytes) => {
        const out = Uint8Array.from(certificate);
        out.set(bytes, at);
        const { ok } = await verify({}, { certificate: out });
        expect(ok).to.equal(Buffer.from(out).equals(certificate));
      }),
      { numRuns: runs(300) },
    );
    // The time of the SCT is eight bytes somewhere: in full, every place is tried.
    const time = Buffer.alloc(8);
    time.writeBigUInt64BE(BigInt(T0 + 250));
    const place = Buffer.from(certificate).indexOf(time);
    expect(place).to.be.above(0);
    for (let at = isFull ? 0 : place - 8; at <= (isFull ? certificate.length - 8 : place + 8); at++) {
      const out = Uint8Array.from(certificate);
      out.set(hex('001fffffffffffff'), at);
      expect((await verify({}, { certificate: out })).ok, `at ${at}`).to.equal(false);
    }
  });

  for (const keys of ['both keys', 'the ECDSA key'] as const) {
    it(`never accepts a certificate or a proof with a byte changed, and never throws (${keys} of the log)`, async () => {
      // Without the witness, whose line nobody checks.
      const { trust, ...files } = makeWorld({
        lines: (lines) => lines.slice(0, keys === 'both keys' ? 2 : 1),
      });
      const logs = keys === 'both keys' ? trust.logs : trust.logs.map(withoutEd25519);
      const world = { ...files, trust: { ...trust, logs } };
      const bent = fc.tuple(
        fc.constantFrom('certificate' as const, 'proof' as const),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
      );
      await fc.assert(
        fc.asyncProperty(bent, async ([part, at, mask]) => {
          const changed = Uint8Array.from(world[part]);
          const place = at % changed.length;
          changed[place] = (changed[place] ?? 0) ^ mask;
          const answer = await verifyCertificate({
            ...world,
            [part]: changed,
            policy,
            crypto: platformCrypto,
          });
          expect(answer.ok, `${part} ${place}`).to.equal(false);
        }),
        { numRuns: runs(300) },
      );
    });
  }
});

describe('verify/inclusion', () => {
  const drop = (at: number): Bend => ({ lines: (lines) => lines.filter((_, i) => i !== at) });
  const bendLine = (at: number): Bend => ({
    lines: (lines) =>
      lines.map((line, i) => (i === at ? { ...line, signature: flipped(line.signature) } : line)),
  });
  const inclusion = async (bend: Bend, change: Partial<VerifyRequest> = {}): Promise<string> => {
    const answer = await verify(bend, { requireInclusion: true, ...change });
    expect(names(answer).at(-1), JSON.stringify(answer.steps)).to.equal('inclusion');
    expect(failures(answer)).to.deep.equal(answer.ok ? [] : ['inclusion']);
    return answer.ok ? 'ok' : (answer.steps.at(-1)?.detail ?? '');
  };

  it('wants the signature of every key that is trusted for the log, and passes over witnesses', async () => {
    for (const bend of [{}, drop(2), bendLine(2)]) expect(await inclusion(bend)).to.equal('ok');
    expect(await inclusion(drop(0))).to.match(/not signed with the ECDSA key/);
    expect(await inclusion(drop(1))).to.match(/not signed with the Ed25519 key/);
  });

  it('wants the ECDSA signature alone of a log whose Ed25519 key nobody knows', async () => {
    const { trust } = makeWorld();
    const change = { trust: { ...trust, logs: trust.logs.map(withoutEd25519) } };
    for (const bend of [{}, drop(1), bendLine(1)]) expect(await inclusion(bend, change)).to.equal('ok');
    expect(await inclusion(drop(0), change)).to.match(/not signed with the ECDSA key/);
    expect(await inclusion(bendLine(0), change)).to.match(/ECDSA signature.* does not hold/);
  });

  it('takes an SCT without an index, as plain RFC 6962 logs make them', async () => {
    expect(await inclusion({ sctExtensions: hex('') })).to.equal('ok');
  });

  it('refuses a checkpoint without a signature of the log, or with one that does not hold', async () => {
    const onlyWitness: Bend = { lines: (lines) => lines.slice(2) };
    expect(await inclusion(onlyWitness)).to.match(/not signed with/);
    expect(await inclusion(bendLine(0))).to.match(/ECDSA signature.* does not hold/);
    expect(await inclusion(bendLine(1))).to.match(/Ed25519 signature.* does not hold/);
    const twice = (at: number): Bend => ({
      lines: (lines) => {
        const extra = lines
          .slice(at, at + 1)
          .map((line) => ({ ...line, signature: flipped(line.signature) }));
        return [...lines, ...extra];
      },
    });
    for (const at of [0, 1]) expect(await inclusion(twice(at))).to.match(/does not hold/);
    for (const at of [0, 1]) {
      const otherName: Bend = {
        lines: (lines) => lines.map((line, i) => (i === at ? { ...line, name: 'other' } : line)),
      };
      expect(await inclusion(otherName)).to.match(/not signed with/);
    }
  });

  it('refuses a checkpoint of another log, an old one, and one with unsigned lines', async () => {
    expect(await inclusion({ body: (body) => ({ ...body, origin: 'other.example/log' }) })).to.match(
      /another log/,
    );
    expect(await inclusion({ headTime: T0 + 249 })).to.match(/older than the SCT/);
    const insert: Bend = {
      note: (note) => Buffer.from(Buffer.from(note).toString().replace('\n\n', '\nextra\n\n')),
    };
    expect(await inclusion(insert)).to.match(/nobody signed/);
    const { trust } = makeWorld();
    const change = { trust: { ...trust, logs: trust.logs.map(withoutEd25519) } };
    expect(await inclusion({ ...drop(1), ...insert }, change)).to.match(/nobody signed/);
  });

  it('refuses another index, size, root or path', async () => {
    expect(await inclusion({ proof: (proof) => ({ ...proof, index: 4 }) })).to.match(/the SCT says 5/);
    const plain: Bend = { sctExtensions: hex(''), proof: (proof) => ({ ...proof, index: 4 }) };
    expect(await inclusion(plain)).to.match(/does not lead/);
    expect(await inclusion({ sctExtensions: leafIndexExtension(4) })).to.match(/the SCT says 4/);
    expect(await inclusion({ body: (body) => ({ ...body, size: 100 }) })).to.match(/does not lead/);
    expect(await inclusion({ body: (body) => ({ ...body, root: flipped(body.root) }) })).to.match(
      /does not lead/,
    );
    expect(await inclusion({ proof: (proof) => ({ ...proof, path: proof.path.slice(1) }) })).to.match(
      /does not lead/,
    );
    expect(await inclusion({}, { proof: utf8('nonsense') })).to.match(/no checkpoint/);
  });

  it('counts what is in the tree of the head that was kept, and nothing under another one', async () => {
    const kept = (bend: Bend = {}): Uint8Array => {
      const text = Buffer.from(makeWorld(bend).proof).toString();
      return utf8(text.slice(text.indexOf('\n\n') + 2));
    };
    const head = kept();
    expect(await inclusion({}, { head })).to.equal('ok');
    // Signed again since: it is the same tree.
    expect(await inclusion({ headTime: T0 + 5000 }, { head })).to.equal('ok');
    expect(await inclusion({}, { head, proof: undefined, requireInclusion: false })).to.match(
      /none was given/,
    );
    for (const [other, says] of [
      [
        { body: (body) => ({ ...body, size: body.size - 1 }) },
        /under a tree of 11 entries, .* kept head of 10 entries/,
      ],
      [
        { body: (body) => ({ ...body, size: body.size + 1 }) },
        /under a tree of 11 entries, .* kept head of 12 entries/,
      ],
      [{ body: (body) => ({ ...body, root: flipped(body.root) }) }, /under another tree of that size/],
      [bendLine(0), /signature.* on the kept head does not hold/],
      [drop(1), /the kept head is not signed with the Ed25519 key/],
      [{ headTime: T0 + 249 }, /the kept head is older than the SCT/],
      [{ body: (body) => ({ ...body, origin: 'other.example/log' }) }, /the kept head is of another log/],
    ] as readonly (readonly [Bend, RegExp])[])
      expect(await inclusion({}, { head: kept(other) })).to.match(says);
    expect(await inclusion({}, { head: utf8('nonsense') })).to.not.equal('ok');
  });

  it('asks for a proof only when that is demanded', async () => {
    expect(await inclusion({}, { proof: undefined })).to.match(/none was given/);
    expect((await verify({}, { proof: undefined })).ok).to.equal(true);
  });
});

const withoutEd25519 = ({ origin, publicKey }: TrustedLog): TrustedLog => ({ origin, publicKey });

const rootName = der.sequence(der.set(der.sequence(der.oid('2.5.4.3'), der.utf8String('Root'))));
