/**
 * `init` against `verify`: a chain that one of them takes and the other refuses is a CA whose certificates nobody
 * verifies, or one that was turned away for nothing. They share no rule, so this table holds them together: each row is
 * put to both, and what only one of them refuses says why.
 */
import { expect } from 'chai';
import { adoptAuthority } from '../../ca/adopt.ts';
import { AuthorityError } from '../../ca/authority-error.ts';
import { writeKeyPem } from '../../signers/key-file.ts';
import { platformCrypto } from '../../cli/verify/platform-crypto.ts';
import { encodePem } from '../../core/pem.ts';
import * as der from '../../core/der-writer.ts';
import { anything } from '../../verify/identity-policy.ts';
import { VerifyError } from '../../verify/verify-error.ts';
import { verifyCertificate } from '../../verify/verify-certificate.ts';
import { hex } from '../support/parsers.ts';
import {
  caConstraints,
  extendedUsage,
  extension,
  KEYS,
  makeWorld,
  T0,
  usage,
  withExtensions,
  type Bend,
  type Plan,
  type TestKey,
} from '../support/verify-world.ts';

const CODE_SIGNING = '1.3.6.1.5.5.7.3.3';
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const ANY_USAGE = '2.5.29.37.0';

type Extensions = Readonly<Record<string, Uint8Array | undefined>>;
const issuing = (change: Extensions): Bend => ({ intermediate: (plan) => withExtensions(plan, change) });
const root = (change: Extensions): Bend => ({ root: (plan) => withExtensions(plan, change) });
const issuingPlan = (change: Partial<Plan>): Bend => ({ intermediate: (plan) => ({ ...plan, ...change }) });
const rootPlan = (change: Partial<Plan>): Bend => ({ root: (plan) => ({ ...plan, ...change }) });
const issuedBy = (key: TestKey): Bend => ({
  intermediate: (plan) => ({ ...plan, key }),
  leaf: (plan) => ({ ...plan, signer: key }),
});
const under = (key: TestKey): Bend => ({
  root: (plan) => ({ ...plan, key, signer: key }),
  intermediate: (plan) => ({ ...plan, signer: key }),
});
const unnamed: Bend = {
  root: (plan) => ({ ...plan, subject: der.sequence(), issuer: der.sequence() }),
  intermediate: (plan) => ({ ...plan, issuer: der.sequence() }),
};
const named = (text: string): Uint8Array =>
  der.sequence(der.set(der.sequence(der.oid('2.5.4.3'), der.utf8String(text))));
/** CN with a BIT STRING that is none where its text should be. */
const unreadable = der.sequence(der.set(der.sequence(der.oid('2.5.4.3'))));
const critical = (arc: number, value = der.sequence()): Extensions => ({
  odd: extension(`2.5.29.${arc}`, value, true),
});
const longPath = extension(
  '2.5.29.19',
  der.sequence(der.boolean(true), der.unsignedInteger(Uint8Array.of(1, 0))),
  true,
);

/** RSASSA-PSS with SHA-256 and a salt of 32 bytes. */
const PSS = hex(
  '30 41 06 09 2a864886f70d01010a 30 34 a0 0f 30 0d 06 09 608648016503040201 05 00 ' +
    'a1 1c 30 1a 06 09 2a864886f70d010108 30 0d 06 09 608648016503040201 05 00 a2 03 02 01 20',
);
const pss: TestKey = { ...KEYS.rsa, algorithm: PSS, saltLength: 32 };
const sha1: TestKey = { ...KEYS.root, hash: 'sha1', algorithm: der.sequence(der.oid('1.2.840.10045.4.1')) };
const sha224: TestKey = {
  ...KEYS.root,
  hash: 'sha224',
  algorithm: der.sequence(der.oid('1.2.840.10045.4.3.1')),
};

type Verdict = 'both take it' | 'both refuse it' | { readonly initAlone: string };

const ROWS: readonly (readonly [what: string, bend: Bend, verdict: Verdict])[] = [
  ['a good chain', {}, 'both take it'],
  ['a root without extended key usage', root({ eku: undefined }), 'both take it'],
  ['a root for code signing', root({ eku: extendedUsage(CODE_SIGNING) }), 'both take it'],
  ['a root for every use', root({ eku: extendedUsage(ANY_USAGE) }), 'both take it'],
  ['a root for TLS servers', root({ eku: extendedUsage(SERVER_AUTH) }), 'both refuse it'],
  ['an issuing CA for TLS servers', issuing({ eku: extendedUsage(SERVER_AUTH) }), 'both refuse it'],
  ['an empty extended key usage', issuing({ eku: extension('2.5.29.37', der.sequence()) }), 'both refuse it'],
  [
    'an issuing CA without extended key usage',
    issuing({ eku: undefined }),
    { initAlone: 'Fulcio does not start with it, and Go wants the usage nested' },
  ],
  [
    'an issuing CA for every use',
    issuing({ eku: extendedUsage(ANY_USAGE) }),
    { initAlone: 'Fulcio does not start with it' },
  ],
  ['an issuing CA without key usage', issuing({ ku: undefined }), 'both refuse it'],
  ['a root without key usage', root({ ku: undefined }), 'both refuse it'],
  ['an issuing CA that may not sign certificates', issuing({ ku: usage('07 80') }), 'both refuse it'],
  ['a root that may not sign certificates', root({ ku: usage('01 02') }), 'both refuse it'],
  ['a key usage of nine unused bits', issuing({ ku: usage('09 06') }), 'both refuse it'],
  ['a key usage of no bits', issuing({ ku: usage('00') }), 'both refuse it'],
  ['an issuing CA without BasicConstraints', issuing({ bc: undefined }), 'both refuse it'],
  ['BasicConstraints that are not critical', issuing({ bc: caConstraints(0, false) }), 'both refuse it'],
  ['the same of a root', root({ bc: caConstraints(undefined, false) }), 'both refuse it'],
  ['a root that allows no CA below it', root({ bc: caConstraints(0) }), 'both refuse it'],
  ['a root that allows one', root({ bc: caConstraints(1) }), 'both take it'],
  ['a path length of 256', root({ bc: longPath }), 'both refuse it'],
  ['name constraints', issuing({ nc: extension('2.5.29.30', der.sequence()) }), 'both refuse it'],
  ['critical name constraints', issuing(critical(30)), 'both refuse it'],
  ['critical name constraints of a root', root(critical(30)), 'both refuse it'],
  ['policies', issuing({ cp: extension('2.5.29.32', der.sequence()) }), 'both take it'],
  ['critical policies', issuing(critical(32)), 'both refuse it'],
  ['critical policy mappings', issuing(critical(33)), 'both refuse it'],
  ['critical policy constraints', issuing(critical(36)), 'both refuse it'],
  ['a critical inhibitAnyPolicy', issuing(critical(54, hex('02 01 00'))), 'both refuse it'],
  [
    'an unknown critical extension',
    issuing({ odd: extension('1.2.3', hex('0500'), true) }),
    'both refuse it',
  ],
  ['an expired issuing CA', issuingPlan({ notAfter: T0 - 1000 }), 'both refuse it'],
  ['an issuing CA of tomorrow', issuingPlan({ notBefore: T0 + 86_400_000 }), 'both refuse it'],
  ['an expired root', rootPlan({ notAfter: T0 - 1000 }), 'both refuse it'],
  ['an issuer of another name', issuingPlan({ issuer: named('Nobody') }), 'both refuse it'],
  ['a signature by another key', issuingPlan({ signer: { ...KEYS.p521 } }), 'both refuse it'],
  ['an issuing CA signed with SHA-1', issuingPlan({ signer: sha1 }), 'both refuse it'],
  ['an issuing CA signed with SHA-224', issuingPlan({ signer: sha224 }), 'both refuse it'],
  [
    'an issuing CA signed with RSASSA-PSS',
    { ...under(KEYS.rsa), intermediate: (plan) => ({ ...plan, signer: pss }) },
    'both refuse it',
  ],
  ['a root that signs itself with SHA-1, as old ones do', rootPlan({ signer: sha1 }), 'both take it'],
  ['RSA', issuedBy(KEYS.rsa), 'both take it'],
  ['RSA above', under(KEYS.rsa), 'both take it'],
  ['P-521', issuedBy(KEYS.p521), 'both take it'],
  ['short RSA', issuedBy(KEYS.shortRsa), 'both refuse it'],
  ['short RSA above', under(KEYS.shortRsa), 'both refuse it'],
  ['Ed25519 above', under(KEYS.ed25519), 'both take it'],
  ['Ed25519', issuedBy(KEYS.ed25519), { initAlone: 'common clients verify no SCT below an Ed25519 issuer' }],
  ['a root without a name', unnamed, 'both refuse it'],
  [
    'a root with a name that cannot be read',
    {
      root: (plan) => ({ ...plan, subject: unreadable, issuer: unreadable }),
      intermediate: (plan) => ({ ...plan, issuer: unreadable }),
    },
    'both refuse it',
  ],
  ['an intermediate in the place of the root', rootPlan({ issuer: named('Somebody') }), 'both refuse it'],
  ['the same with the name of its issuer', rootPlan({ signer: { ...KEYS.p521 } }), 'both refuse it'],
];

describe('chains for init and for verify', () => {
  for (const [what, bend, verdict] of ROWS) {
    const words =
      typeof verdict === 'string' ? verdict : `init alone refuses it, because ${verdict.initAlone}`;
    it(`${what}: ${words}`, async () => {
      const { certificate, trust } = makeWorld(bend);
      const key = bend.intermediate?.(PLAIN).key ?? KEYS.intermediate;
      const chainPem = [...trust.intermediates, ...trust.roots]
        .map((bytes) => encodePem('CERTIFICATE', bytes))
        .join('');
      const keyPem = Buffer.from(writeKeyPem(key.privateKey));
      const adopted = await adoptAuthority({ chainPem, key: keyPem, clock: () => T0 }).then(
        () => true,
        (error: unknown) => {
          expect(error).to.be.instanceOf(AuthorityError);
          expect((error as AuthorityError).hint, 'it says what to do').to.be.a('string');
          return false;
        },
      );
      const policy = { identity: anything, issuer: anything };
      const verified = await verifyCertificate({ certificate, trust, policy, crypto: platformCrypto }).then(
        ({ ok, steps }) => {
          if (!ok) expect(steps.find((step) => !step.ok)?.name).to.equal('chain');
          return ok;
        },
        (error: unknown) => {
          expect(error).to.be.instanceOf(VerifyError).with.property('code', 'BAD_TRUST');
          return false;
        },
      );
      expect({ adopted, verified }).to.deep.equal({
        adopted: verdict === 'both take it',
        verified: verdict !== 'both refuse it',
      });
    });
  }
});

const PLAIN: Plan = {
  subject: der.sequence(),
  issuer: der.sequence(),
  notBefore: T0,
  notAfter: T0,
  key: KEYS.intermediate,
  signer: KEYS.root,
  extensions: {},
};
