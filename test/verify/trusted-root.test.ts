import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { platformCrypto } from '../../cli/verify/platform-crypto.ts';
import { toBase64 } from '../../core/bytes.ts';
import { parseCertificate } from '../../core/certificate.ts';
import * as der from '../../core/der-writer.ts';
import { contextTag } from '../../core/der-tag.ts';
import { decodePem } from '../../core/pem.ts';
import {
  EMPTY_TRUSTED_ROOT,
  parseTrustedRoot,
  type LogKeyDetails,
  type TrustedAuthority,
  type TrustedLogInstance,
  type TrustedRoot,
  type Window,
} from '../../trust/format/trusted-root.ts';
import { anything, exactly } from '../../verify/identity-policy.ts';
import type { Trust } from '../../verify/trust.ts';
import { verifyCertificate, type Verification, type VerifyRequest } from '../../verify/verify-certificate.ts';
import { hex, sha256 } from '../support/parsers.ts';
import { vectorPath } from '../support/vectors.ts';
import {
  extension,
  flipped,
  IDENTITY,
  ISSUER,
  KEYS,
  makeWorld,
  ORIGIN,
  T0,
  withExtensions,
  type Bend,
  type Plan,
  type TestKey,
  type World,
} from '../support/verify-world.ts';

const policy = { identity: exactly(IDENTITY), issuer: exactly(ISSUER) };
const SCT_TIME = T0 + 250;
const OPEN: Window = { start: T0 - 1000 };

const authority = (chain: readonly Uint8Array[], window = OPEN): TrustedAuthority => ({
  organization: '',
  commonName: '',
  uri: '',
  chain,
  window,
});
const chainOf = ({ trust }: World): Uint8Array[] => [...trust.intermediates, ...trust.roots];
const listed = (
  key: TestKey,
  window = OPEN,
  change: Partial<TrustedLogInstance> = {},
): TrustedLogInstance => ({
  baseUrl: 'https://log.example/2026',
  publicKey: key.spki,
  keyDetails: 'PKIX_ECDSA_P256_SHA_256',
  window,
  logId: sha256(key.spki),
  ...change,
});
const trusting = (root: Partial<TrustedRoot>, world?: World): Trust => ({
  roots: [],
  intermediates: [],
  logs: [],
  trustedRoot: { ...EMPTY_TRUSTED_ROOT, ...root },
  logNames: world?.trust.logs,
});

/** A world with the windows of its CA and of its log. */
function windowed(ca: Window, log: Window, change: Partial<VerifyRequest> = {}): Promise<Verification> {
  const world = makeWorld();
  const certificateAuthorities = [authority(chainOf(world), ca)];
  const trust = trusting({ certificateAuthorities, certificateLogs: [listed(KEYS.log, log)] }, world);
  return verify(world, trust, change);
}

const verify = (world: World, trust: Trust, change: Partial<VerifyRequest> = {}): Promise<Verification> =>
  verifyCertificate({ ...world, proof: undefined, policy, crypto: platformCrypto, ...change, trust });

/** The first failed step, with its detail; undefined where all passed. */
const failure = ({ steps }: Verification): string | undefined =>
  steps
    .filter(({ ok }) => !ok)
    .map(({ name, detail }) => `${name}: ${detail}`)
    .at(0);

describe('verify: a trusted root', () => {
  it('is all that is needed, also for a proof', async () => {
    const { proof } = makeWorld();
    const answer = await windowed(OPEN, OPEN, { proof, requireInclusion: true });
    expect([failure(answer), answer.ok, answer.fault]).to.deep.equal([undefined, true, undefined]);
    const bare = trusting({
      certificateAuthorities: [authority(chainOf(makeWorld()))],
      certificateLogs: [listed(KEYS.log)],
    });
    const unnamed = await verify(makeWorld(), bare, { proof, requireInclusion: true });
    expect(failure(unnamed), 'without a name for its checkpoints').to.equal(undefined);
  });

  const EDGES: readonly [what: string, window: Window, isGood: boolean][] = [
    ['begins at that time', { start: SCT_TIME }, true],
    ['begins a millisecond later', { start: SCT_TIME + 1 }, false],
    ['ends at that time', { start: T0 - 9, end: SCT_TIME }, true],
    ['ended a millisecond before', { start: T0 - 9, end: SCT_TIME - 1 }, false],
  ];
  for (const [what, window, isGood] of EDGES) {
    it(`counts a CA and a log at the time of the SCT, where the window ${what}`, async () => {
      const [ca, log] = [await windowed(window, OPEN), await windowed(OPEN, window)];
      expect([ca.ok, log.ok]).to.deep.equal([isGood, isGood]);
      if (isGood) return;
      expect(failure(ca)).to.match(/^chain: the CA "CN=Issuing" is trusted from 2026-.*, not at 2026-/);
      expect(failure(log)).to.match(/^sct: the log log\.example\/2026 is trusted from 2026-.*, not at 2026-/);
      expect([ca.fault, log.fault]).to.deep.equal(['trust', 'trust']);
    });
  }

  it('counts a CA only where its window has the time of the SCT and the one that is asked about', async () => {
    const later = T0 + 300_000;
    const ended = { start: T0 - 9, end: SCT_TIME + 1 };
    expect(failure(await windowed(ended, OPEN, { at: SCT_TIME }))).to.equal(undefined);
    expect(failure(await windowed(ended, OPEN, { at: later }))).to.match(/^chain: .*until/);
    // With a stolen key one dates certificates back, and asks about that date. The log does not date back.
    expect(failure(await windowed({ start: T0 - 9, end: T0 }, OPEN, { at: T0 }))).to.match(/^chain: .*until/);
    expect(failure(await windowed(OPEN, ended, { at: later })), 'a log signed at one time').to.equal(
      undefined,
    );
  });

  it('takes no head that the log signed after its window', async () => {
    const { proof } = makeWorld({ headTime: T0 + 5000 });
    const answer = await windowed(OPEN, { start: T0 - 9, end: T0 + 4999 }, { proof });
    expect(failure(answer)).to.match(
      /^inclusion: the log .*, whose head the proof is under, is trusted from/,
    );
    expect(answer.fault).to.equal('trust');
  });

  it('lets several windows of one CA or one log count', async () => {
    const world = makeWorld();
    const early: Window = { start: 0, end: 1000 };
    const trust = trusting({
      certificateAuthorities: [early, OPEN].map((window) => authority(chainOf(world), window)),
      certificateLogs: [listed(KEYS.log, early), listed(KEYS.log)],
    });
    expect(failure(await verify(world, trust))).to.equal(undefined);
    const gap = { ...trust, trustedRoot: { ...EMPTY_TRUSTED_ROOT, ...trust.trustedRoot } };
    const certificateAuthorities = [early, { start: T0 + 9e9 }].map((window) =>
      authority(chainOf(world), window),
    );
    const refused = await verify(world, {
      ...gap,
      trustedRoot: { ...gap.trustedRoot, certificateAuthorities },
    });
    expect(failure(refused)).to.match(/from 1970.* until 1970.* and from 2027/);
  });

  describe('after a renewal of the CA', () => {
    const former = makeWorld();
    const renewed = makeWorld({
      intermediate: (plan) => ({ ...plan, key: KEYS.other }),
      leaf: (plan) => ({ ...plan, signer: KEYS.other }),
    });
    const ended: Window = { start: T0 - 9, end: T0 };

    it('tries every CA of that name', async () => {
      const certificateAuthorities = [former, renewed].map((world) => authority(chainOf(world)));
      const trust = trusting({ certificateAuthorities, certificateLogs: [listed(KEYS.log)] });
      for (const world of [former, renewed]) expect(failure(await verify(world, trust))).to.equal(undefined);
    });

    it('takes an intermediate from what is presented, in the window of its root', async () => {
      const old = (window: Window): Trust =>
        trusting({
          certificateAuthorities: [authority(chainOf(former), window)],
          certificateLogs: [listed(KEYS.log)],
        });
      const presented = renewed.trust.intermediates;
      expect(failure(await verify(renewed, old(OPEN), { presented }))).to.equal(undefined);
      expect(failure(await verify(renewed, old(ended), { presented }))).to.match(/"CN=Root" is trusted from/);
      const without = await verify(renewed, old(OPEN));
      expect([failure(without), without.fault]).to.deep.equal([
        'chain: the signature of the CA "CN=Issuing" over a certificate does not hold',
        'certificate',
      ]);
    });

    it('does not let a root that goes on carry an intermediate that ended', async () => {
      const certificateAuthorities = [authority(chainOf(former), ended), authority(chainOf(renewed))];
      const trust = trusting({ certificateAuthorities, certificateLogs: [listed(KEYS.log)] });
      const presented = chainOf(former);
      const answer = await verify(former, trust, { presented });
      expect(failure(answer)).to.match(/^chain: the CA "CN=Issuing" is trusted from .* until/);
      expect(failure(await verify(renewed, trust, { presented }))).to.equal(undefined);
    });

    it('holds an intermediate that ended to its end, also where its entry cannot be used', async () => {
      const [issuing = new Uint8Array(), root = new Uint8Array()] = chainOf(former);
      const junk = Uint8Array.of(1, 2, 3);
      for (const chain of [[issuing], [issuing, junk, root], [issuing, root, junk]]) {
        const certificateAuthorities = [authority(chain, ended), authority(chainOf(renewed))];
        const trust = trusting({ certificateAuthorities, certificateLogs: [listed(KEYS.log)] });
        const presented = chainOf(former);
        const answer = await verify(former, trust, { presented });
        expect(failure(answer)).to.match(/^chain: the CA "CN=Issuing" is trusted from .* until/);
        expect(failure(await verify(renewed, trust, { presented }))).to.equal(undefined);
        // A damaged entry that is open opens nothing that another one ended.
        const reopened = [authority(chain), authority(chainOf(former), ended), authority(chainOf(renewed))];
        const open = trusting({ certificateAuthorities: reopened, certificateLogs: [listed(KEYS.log)] });
        expect((await verify(former, open, { presented })).ok).to.equal(false);
      }
    });

    it('counts what a root issued itself in the windows of the chains that begin with it, whatever goes on below it', async () => {
      const subject = parseCertificate(former.trust.roots[0] ?? new Uint8Array()).subject;
      const direct = makeWorld({
        intermediate: (plan) => ({ ...plan, key: KEYS.root, subject, issuer: subject }),
        leaf: (plan) => ({ ...plan, issuer: subject, signer: KEYS.root }),
      });
      const root = former.trust.roots;
      const judge = async (world: World, ...authorities: TrustedAuthority[]): Promise<string | undefined> => {
        for (const certificateAuthorities of [authorities, [...authorities].reverse()]) {
          const trust = trusting({ certificateAuthorities, certificateLogs: [listed(KEYS.log)] });
          const said = failure(await verify(world, trust, { presented: chainOf(world) }));
          if (said !== undefined) return said;
        }
        return undefined;
      };
      const below = authority(chainOf(renewed));
      expect(await judge(direct, authority(root))).to.equal(undefined);
      expect(await judge(direct, authority(root), below)).to.equal(undefined);
      expect(await judge(direct, below), 'no chain begins with it').to.equal(undefined);
      const issued = /^chain: the CA "CN=Root", for what it issues itself, is trusted from .* until/;
      expect(await judge(direct, authority(root, ended), below)).to.match(issued);
      expect(await judge(direct, authority([...root, Uint8Array.of(1)], ended), below)).to.match(issued);
      expect(await judge(renewed, authority(root, ended), below)).to.equal(undefined);
      const both = [authority(root, ended), authority(root), below];
      expect(await judge(direct, ...both), 'one of two windows of it').to.equal(undefined);
    });

    it('never takes what is presented for an anchor', async () => {
      const trust = trusting({
        certificateAuthorities: [authority(makeWorld({ root: otherRoot }).trust.roots)],
        certificateLogs: [listed(KEYS.log)],
      });
      const answer = await verify(former, trust, { presented: chainOf(former) });
      expect([answer.ok, failure(answer)?.split(':')[0]]).to.deep.equal([false, 'chain']);
      const many = Array.from({ length: 11 }, () => former.trust.roots[0] ?? new Uint8Array());
      expect(failure(await verify(former, former.trust, { presented: many }))).to.match(/more than 10/);
      expect(
        failure(await verify(former, former.trust, { presented: [...chainOf(former), hex('3000')] })),
      ).to.match(/certificate \d of \d that came with it cannot be read/);
    });
  });

  describe('says whose fault a refusal is', () => {
    const root = { certificateLogs: [listed(KEYS.log)] };
    const trustOf = (world: World): Trust =>
      trusting({ ...root, certificateAuthorities: [authority(chainOf(world))] });

    it('the trust, for another CA of the same name, by its key id', async () => {
      const keyIds = (child: string, above: string): Bend => ({
        leaf: (plan) => withKeyId(plan, '2.5.29.35', child),
        intermediate: (plan) => withKeyId(plan, '2.5.29.14', above),
      });
      const { leaf } = keyIds('cc', 'aa');
      const newer = makeWorld({
        ...(leaf && { leaf: (plan: Plan) => ({ ...leaf(plan), signer: KEYS.other }) }),
      });
      const answer = await verify(newer, trustOf(makeWorld(keyIds('aa', 'aa'))));
      expect(failure(answer)).to.equal(
        'chain: the CA "CN=Issuing" that is trusted has the key id aa, and cc issued what is below it',
      );
      expect(answer.fault).to.equal('trust');
      const forged = makeWorld({
        ...keyIds('aa', 'aa'),
        leaf: (plan) => ({
          ...withKeyId(plan, '2.5.29.35', 'aa'),
          signer: KEYS.other,
        }),
      });
      const refused = await verify(forged, trustOf(makeWorld(keyIds('aa', 'aa'))));
      expect([failure(refused), refused.fault]).to.deep.equal([
        'chain: the signature of the CA "CN=Issuing" over a certificate does not hold',
        'certificate',
      ]);
    });

    it('the trust, for a log that it does not have, whether it has the CA or not', async () => {
      const certificateLogs = [listed(KEYS.other)];
      const trust = trusting({ certificateAuthorities: [authority(chainOf(makeWorld()))], certificateLogs });
      expect((await verify(makeWorld(), trust)).fault).to.equal('trust');
      const foreign = makeWorld({ leaf: (plan) => ({ ...plan, issuer: der.sequence() }) });
      // Both were followed by others, as after a theft of all keys: the certificate is good by the files of today.
      expect((await verify(foreign, trust)).fault).to.equal('trust');
    });

    it('the policy, for somebody else', async () => {
      const answer = await verify(makeWorld(), trustOf(makeWorld()), {
        policy: { identity: exactly('bob@example.com'), issuer: anything },
      });
      expect([answer.ok, answer.fault]).to.deep.equal([false, 'policy']);
      const unproven = await verify(makeWorld(), trustOf(makeWorld()), { requireInclusion: true });
      expect(unproven.fault).to.equal('policy');
    });

    it('the trust, for a log whose key is known under another id', async () => {
      const certificateLogs = [listed(KEYS.log, OPEN, { logId: hex('00'.repeat(32)) })];
      const trust = trusting({ certificateAuthorities: [authority(chainOf(makeWorld()))], certificateLogs });
      const answer = await verify(makeWorld(), trust);
      expect(failure(answer)).to.match(
        /^sct: .*; the key of the log .* is known, but under another log id: AAAA/,
      );
      expect(failure(answer)).to.include(toBase64(sha256(KEYS.log.spki)));
      expect(answer.fault).to.equal('trust');
    });

    it('the trust, where a CA in it cannot be used; the others go on counting', async () => {
      const world = makeWorld();
      const bad = [authority(world.trust.intermediates), authority([hex('00')])];
      const good = await verify(
        world,
        trusting({ ...root, certificateAuthorities: [...bad, authority(chainOf(world))] }),
      );
      expect(failure(good)).to.equal(undefined);
      const other = makeWorld({ root: otherRoot, intermediate: nobodys });
      const answer = await verify(
        world,
        trusting({ ...root, certificateAuthorities: [...bad, authority(chainOf(other))] }),
      );
      expect(failure(answer)).to.match(/"CN=Issuing" is trusted as a root and is none.*cannot be read/);
      expect(answer.fault).to.equal('trust');
    });
  });

  describe('with a log of another kind of key', () => {
    const keys: readonly [
      what: string,
      key: TestKey,
      hash: number,
      signature: number,
      details: LogKeyDetails,
    ][] = [
      ['RSA', KEYS.rsa, 4, 1, 'PKIX_RSA_PKCS1V15_2048_SHA256'],
      ['P-384', KEYS.root, 5, 3, 'PKIX_ECDSA_P384_SHA_384'],
      ['P-384 with SHA-256', { ...KEYS.root, hash: 'sha256' }, 4, 3, 'PKIX_ECDSA_P384_SHA_384'],
      ['P-521', KEYS.p521, 6, 3, 'PKIX_ECDSA_P521_SHA_512'],
      ['Ed25519', KEYS.ed25519, 8, 7, 'PKIX_ED25519'],
    ];
    for (const [what, key, hash, signature, keyDetails] of keys) {
      it(`verifies its SCTs: ${what}`, async () => {
        const world = makeWorld({ sctKey: key, sct: (good) => naming(good, hash, signature) });
        const certificateLogs = [listed(key, OPEN, { keyDetails })];
        const trust = trusting({ certificateAuthorities: [authority(chainOf(world))], certificateLogs });
        expect(failure(await verify(world, trust))).to.equal(undefined);
        const weak = makeWorld({ sctKey: key, sct: (good) => naming(good, 2, signature) });
        expect(failure(await verify(weak, trust))).to.match(/^sct: the SCT is not signed by/);
        const forged = makeWorld({ sctKey: key, sct: (good) => flipped(naming(good, hash, signature)) });
        expect(failure(await verify(forged, trust))).to.match(/^sct-signature: /);
      });
    }
  });

  it('verifies what a running Fulcio issued, by the trusted root of its clients', async () => {
    const file = (name: string): string => readFileSync(vectorPath(`public-good/${name}`), 'utf8');
    const trustedRoot = parseTrustedRoot(file('trusted_root.json'));
    const certificates = decodePem(file('certificates.pem'));
    expect(certificates).to.have.length(3);
    for (const { bytes: certificate } of certificates) {
      const trust: Trust = { roots: [], intermediates: [], logs: [], trustedRoot };
      const any = { identity: anything, issuer: anything };
      const answer = await verifyCertificate({ certificate, trust, policy: any, crypto: platformCrypto });
      expect([failure(answer), answer.path.length]).to.deep.equal([undefined, 2]);
    }
  });

  it(`names the log as its verifier key does: ${ORIGIN}`, async () => {
    const { steps } = await windowed(OPEN, OPEN);
    expect(steps.find(({ name }) => name === 'sct')?.detail).to.include(ORIGIN);
  });
});

const withKeyId = (plan: Plan, oid: string, id: string): Plan => {
  const value =
    oid === '2.5.29.35' ? der.sequence(der.tlv(contextTag(0, false), hex(id))) : der.octetString(hex(id));
  return withExtensions(plan, { keyId: extension(oid, value) });
};

const otherRoot = (plan: Plan): Plan => ({ ...plan, key: KEYS.p521, signer: KEYS.p521 });
const nobodys = (plan: Plan): Plan => ({ ...plan, subject: plan.issuer, signer: KEYS.p521 });

/** An SCT that names those algorithms. */
function naming(good: Uint8Array, hash: number, signature: number): Uint8Array {
  const out = Uint8Array.from(good);
  out.set([hash, signature], 51);
  return out;
}
