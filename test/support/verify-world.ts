/**
 * A CA and a log of the tests' own, made of DER writers and node:crypto and of nothing that issues: every part can be
 * bent, so that the verifier can be shown each mistake alone.
 */
import { constants, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { concat, utf8 } from '../../core/bytes.ts';
import { Tag } from '../../core/der-tag.ts';
import * as der from '../../core/der-writer.ts';
import { spkiOfRsaPublicKey } from '../../core/public-key.ts';
import { encodeSubjectAltName, type SubjectAltName } from '../../core/subject-alt-name.ts';
import { checkpointText, encodeCheckpoint, type CheckpointBody } from '../../tlog/format/checkpoint.ts';
import { encodeLeaf } from '../../ct-log/format/leaf.ts';
import { leafIndexExtension } from '../../ct-log/format/leaf-index.ts';
import { hashLeaf } from '../../tlog/format/merkle.ts';
import { encodeSct, encodeSctList, SCT_LIST_OID } from '../../ct-log/format/sct.ts';
import type { NoteSignature } from '../../tlog/format/signed-note.ts';
import { encodeTlogProof, type TlogProof } from '../../tlog/format/tlog-proof.ts';
import { encodeTreeHead, encodeTreeHeadSignature } from '../../ct-log/format/tree-head.ts';
import { makeVkey } from '../../tlog/format/vkey.ts';
import type { Trust } from '../../verify/trust.ts';
import { naivePath, naiveRoot } from './naive-merkle.ts';
import { hex, sha256 } from './parsers.ts';

/** The second in which everything happens. */
export const T0 = Date.parse('2026-11-22T10:00:00Z');
const DAY = 86_400_000;
export const ORIGIN = 'log.example/2026';
const INDEX = 5;
const SIZE = 11;

/** A key pair and how it signs certificates. */
export interface TestKey {
  readonly privateKey: KeyObject;
  readonly spki: Uint8Array;
  readonly hash: string | undefined;
  /** DER AlgorithmIdentifier. */
  readonly algorithm: Uint8Array;
  /** Of RSASSA-PSS, which it then signs with. */
  readonly saltLength?: number;
}

const ecdsa = (last: number): Uint8Array => der.sequence(der.oid(`1.2.840.10045.4.3.${last}`));
const rsa = (last: number): Uint8Array => der.sequence(der.oid(`1.2.840.113549.1.1.${last}`), hex('0500'));
const unbent = <T>(good: T): T => good;
const spkiOf = (key: KeyObject): Uint8Array => createPublicKey(key).export({ type: 'spki', format: 'der' });
const testKey = (privateKey: KeyObject, hash: string | undefined, algorithm: Uint8Array): TestKey => ({
  privateKey,
  hash,
  algorithm,
  spki: Uint8Array.from(spkiOf(privateKey)),
});
const ecKey = (namedCurve: string): KeyObject => generateKeyPairSync('ec', { namedCurve }).privateKey;
const rsaKey = (modulusLength: number): KeyObject => generateKeyPairSync('rsa', { modulusLength }).privateKey;

/** Keys by name; made once. */
export const KEYS = {
  root: testKey(ecKey('P-384'), 'sha384', ecdsa(3)),
  intermediate: testKey(ecKey('P-256'), 'sha256', ecdsa(2)),
  leaf: testKey(ecKey('P-256'), 'sha256', ecdsa(2)),
  log: testKey(ecKey('P-256'), 'sha256', ecdsa(2)),
  other: testKey(ecKey('P-256'), 'sha256', ecdsa(2)),
  rsa: testKey(rsaKey(2048), 'sha256', rsa(11)),
  shortRsa: testKey(rsaKey(1024), 'sha256', rsa(11)),
  p521: testKey(ecKey('P-521'), 'sha512', ecdsa(4)),
  ed25519: testKey(
    generateKeyPairSync('ed25519').privateKey,
    undefined,
    der.sequence(der.oid('1.3.101.112')),
  ),
};

/** The key as an RSA key of the same modulus with another exponent, unsigned big-endian; its signatures do not hold. */
export const withExponent = ({ spki, ...key }: TestKey, exponent: Uint8Array): TestKey => {
  const { n } = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' }).export({
    format: 'jwk',
  });
  const modulus = Buffer.from(n ?? '', 'base64url');
  const pkcs1 = der.sequence(der.unsignedInteger(modulus), der.unsignedInteger(exponent));
  return { ...key, spki: spkiOfRsaPublicKey(pkcs1) };
};

/** What a certificate is to be. Extensions by a name of the test's own, in order. */
export interface Plan {
  readonly subject: Uint8Array;
  readonly issuer: Uint8Array;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly key: TestKey;
  readonly signer: TestKey;
  readonly algorithm?: Uint8Array;
  readonly extensions: Readonly<Record<string, Uint8Array>>;
}

/** Extension SEQUENCE. */
export const extension = (oid: string, value: Uint8Array, critical = false): Uint8Array =>
  der.sequence(der.oid(oid), ...(critical ? [der.boolean(true)] : []), der.octetString(value));

const commonName = (text: string): Uint8Array =>
  der.sequence(der.set(der.sequence(der.oid('2.5.4.3'), der.utf8String(text))));

/** BasicConstraints of a CA. */
export const caConstraints = (pathLength?: number, critical = true): Uint8Array => {
  const length = pathLength === undefined ? [] : [der.unsignedInteger(Uint8Array.of(pathLength))];
  return extension('2.5.29.19', der.sequence(der.boolean(true), ...length), critical);
};

/** KeyUsage; `bits` is content of the BIT STRING. */
export const usage = (bits: string): Uint8Array =>
  extension('2.5.29.15', der.tlv(Tag.bitString, hex(bits)), true);
/** ExtendedKeyUsage. */
export const extendedUsage = (...oids: string[]): Uint8Array =>
  extension('2.5.29.37', der.sequence(...oids.map(der.oid)));
const CODE_SIGNING = '1.3.6.1.5.5.7.3.3';

/** SubjectAltName with that name. */
export const altName = (name: SubjectAltName): Uint8Array =>
  extension('2.5.29.17', encodeSubjectAltName(name), true);
/** Fulcio's extension of that number, as text is given in it. */
export const fulcio = (number: number, value: Uint8Array): Uint8Array =>
  extension(`1.3.6.1.4.1.57264.1.${number}`, value);

export const IDENTITY = 'alice@example.com';
export const ISSUER = 'https://issuer.example';

const ROOT: Plan = {
  subject: commonName('Root'),
  issuer: commonName('Root'),
  key: KEYS.root,
  signer: KEYS.root,
  notBefore: T0 - 100 * DAY,
  notAfter: T0 + 3000 * DAY,
  extensions: { bc: caConstraints(), ku: usage('01 06') },
};
const INTERMEDIATE: Plan = {
  subject: commonName('Issuing'),
  issuer: ROOT.subject,
  key: KEYS.intermediate,
  signer: KEYS.root,
  notBefore: T0 - 50 * DAY,
  notAfter: T0 + 1000 * DAY,
  extensions: { ku: usage('01 06'), eku: extendedUsage(CODE_SIGNING), bc: caConstraints(0) },
};
const LEAF: Plan = {
  subject: der.sequence(),
  issuer: INTERMEDIATE.subject,
  key: KEYS.leaf,
  signer: KEYS.intermediate,
  notBefore: T0,
  notAfter: T0 + 600_000,
  extensions: {
    ku: usage('07 80'),
    eku: extendedUsage(CODE_SIGNING),
    san: altName({ type: 'email', value: IDENTITY }),
    issuer1: fulcio(1, utf8(ISSUER)),
    issuer8: fulcio(8, der.utf8String(ISSUER)),
  },
};

/** How to bend the world; each function gets the good value. */
export interface Bend {
  readonly root?: (good: Plan) => Plan;
  readonly intermediate?: (good: Plan) => Plan;
  readonly leaf?: (good: Plan) => Plan;
  /** Time and CtExtensions of the SCT. */
  readonly sctTime?: number;
  readonly sctExtensions?: Uint8Array;
  /** Who signs the SCT and is named in it. */
  readonly sctKey?: TestKey;
  readonly sct?: (good: Uint8Array) => Uint8Array;
  readonly sctList?: (good: Uint8Array) => Uint8Array | undefined;
  readonly body?: (good: CheckpointBody) => CheckpointBody;
  readonly headTime?: number;
  readonly lines?: (good: readonly NoteSignature[]) => readonly NoteSignature[];
  readonly note?: (good: Uint8Array) => Uint8Array;
  readonly proof?: (good: TlogProof) => TlogProof;
}

/** What a verifier is given. */
export interface World {
  readonly certificate: Uint8Array;
  readonly trust: Trust;
  readonly proof: Uint8Array;
}

/** A world that is right but for what `bend` bends. */
export function makeWorld(bend: Bend = {}): World {
  const [root, intermediate, leaf] = [ROOT, INTERMEDIATE, LEAF].map((good, at) => {
    return ([bend.root, bend.intermediate, bend.leaf][at] ?? unbent)(good);
  }) as [Plan, Plan, Plan];
  const entry = logEntry(leaf, intermediate, bend);
  const list = (bend.sctList ?? unbent)(extension(SCT_LIST_OID, encodeSctList([makeSct(entry, bend)])));
  const extensions = list === undefined ? leaf.extensions : { ...leaf.extensions, list };
  const key = createPublicKey(KEYS.ed25519.privateKey).export({ format: 'jwk' }).x ?? '';
  const log = { origin: ORIGIN, publicKey: KEYS.log.spki, ed25519PublicKey: Buffer.from(key, 'base64url') };
  return {
    certificate: certificateOf({ ...leaf, extensions }),
    trust: { roots: [certificateOf(root)], intermediates: [certificateOf(intermediate)], logs: [log] },
    proof: encodeTlogProof(makeProof(entry, log.ed25519PublicKey, bend)),
  };
}

/** A certificate after its plan. */
export function certificateOf(plan: Plan): Uint8Array {
  const { algorithm = plan.signer.algorithm, signer } = plan;
  const tbs = tbsOf(plan, algorithm);
  return der.sequence(tbs, algorithm, der.bitString(signature(tbs, signer)));
}

function signature(tbs: Uint8Array, { hash, privateKey: key, saltLength }: TestKey): Uint8Array {
  if (saltLength === undefined) return sign(hash, tbs, key);
  return sign(hash, tbs, { key, saltLength, padding: constants.RSA_PKCS1_PSS_PADDING });
}

function tbsOf(plan: Plan, algorithm: Uint8Array): Uint8Array {
  const time = (ms: number): Uint8Array => {
    const text = `${new Date(ms).toISOString().replace(/[-:T]|\..*/g, '')}Z`;
    // As RFC 5280 has it: with two digits of the year before 2050.
    return text < '2050'
      ? der.tlv(Tag.utcTime, utf8(text.slice(2)))
      : der.tlv(Tag.generalizedTime, utf8(text));
  };
  return der.sequence(
    ...[der.explicit(0, hex('020102')), hex('02 01 2a'), algorithm, plan.issuer],
    ...[der.sequence(time(plan.notBefore), time(plan.notAfter)), plan.subject, plan.key.spki],
    der.explicit(3, der.sequence(...Object.values(plan.extensions))),
  );
}

function logEntry(leaf: Plan, intermediate: Plan, bend: Bend): Uint8Array {
  return encodeLeaf({
    entry: {
      type: 'precert',
      issuerKeyHash: sha256(intermediate.key.spki),
      tbs: tbsOf(leaf, leaf.algorithm ?? leaf.signer.algorithm),
    },
    timestamp: bend.sctTime ?? T0 + 250,
    extensions: bend.sctExtensions ?? leafIndexExtension(INDEX),
  });
}

function makeSct(entry: Uint8Array, bend: Bend): Uint8Array {
  const { sctKey: key = KEYS.log, sct = unbent } = bend;
  return sct(
    encodeSct({
      logId: sha256(key.spki),
      timestamp: bend.sctTime ?? T0 + 250,
      extensions: bend.sctExtensions ?? leafIndexExtension(INDEX),
      signature: sign(key.hash, entry, key.privateKey),
    }),
  );
}

function makeProof(entry: Uint8Array, ed25519: Uint8Array, bend: Bend): TlogProof {
  const hashes = Array.from({ length: SIZE }, (_, i) =>
    hashLeaf(sha256, i === INDEX ? entry : Uint8Array.of(i)),
  );
  const good = { origin: ORIGIN, size: SIZE, root: naiveRoot(hashes) };
  const body = (bend.body ?? unbent)(good);
  const timestamp = bend.headTime ?? T0 + 300;
  const head = sign(
    'sha256',
    encodeTreeHead({ timestamp, size: body.size, root: body.root }),
    KEYS.log.privateKey,
  );
  const text = sign(null, utf8(checkpointText(body)), KEYS.ed25519.privateKey);
  const lines: NoteSignature[] = [
    {
      ...makeVkey(sha256, ORIGIN, 'static-ct', KEYS.log.spki),
      signature: encodeTreeHeadSignature(timestamp, head),
    },
    { ...makeVkey(sha256, ORIGIN, 'ed25519', ed25519), signature: text },
    { name: 'witness.example', keyId: hex('01020304'), signature: new Uint8Array(72) },
  ];
  const note = encodeCheckpoint(body, (bend.lines ?? unbent)(lines));
  const checkpoint = (bend.note ?? unbent)(note);
  return (bend.proof ?? unbent)({ index: INDEX, path: naivePath(INDEX, hashes), checkpoint });
}

/** The same plan with some extensions replaced, or left out where undefined is given. */
export function withExtensions(plan: Plan, change: Readonly<Record<string, Uint8Array | undefined>>): Plan {
  const merged = Object.entries({ ...plan.extensions, ...change }).filter(([, value]) => value !== undefined);
  return { ...plan, extensions: Object.fromEntries(merged) as Record<string, Uint8Array> };
}

/** Bytes with one bit turned over. */
export function flipped(bytes: Uint8Array, at = bytes.length - 1): Uint8Array {
  const out = concat([bytes]);
  out[at] = (out[at] ?? 0) ^ 1;
  return out;
}
