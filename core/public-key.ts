/** Public keys as DER SubjectPublicKeyInfo (RFC 5280 §4.1.2.7; RFC 5480, 3279, 8410): the kinds that sign here. */
import { DerReader, oidText, readOnly, unsignedMagnitude, wholeBits } from './der-reader.ts';
import { Tag } from './der-tag.ts';
import { bitString, oid, sequence } from './der-writer.ts';
import { ed25519Fault } from './ed25519-point.ts';
import { FormatError } from './errors.ts';

/** Named curves of elliptic-curve keys. */
type Curve = 'P-256' | 'P-384' | 'P-521';

/** What a public key is made of. Byte strings are views into the SubjectPublicKeyInfo. */
export type PublicKeyInfo =
  | {
      readonly type: 'ec';
      readonly curve: Curve;
      /** Uncompressed: 04 ‖ x ‖ y. Whether it lies on the curve is checked where the key is imported. */
      readonly point: Uint8Array;
    }
  | {
      readonly type: 'rsa';
      /** Length of the modulus. */
      readonly bits: number;
      /** Unsigned big-endian, no leading zero. */
      readonly modulus: Uint8Array;
      /** Unsigned big-endian, no leading zero. */
      readonly exponent: Uint8Array;
    }
  | {
      readonly type: 'ed25519';
      /** 32 bytes; of no small order, in its only spelling. */
      readonly key: Uint8Array;
    };

const CURVES: ReadonlyMap<string, readonly [curve: Curve, coordinate: number]> = new Map([
  ['1.2.840.10045.3.1.7', ['P-256', 32]],
  ['1.3.132.0.34', ['P-384', 48]],
  ['1.3.132.0.35', ['P-521', 66]],
]);

const RSA_ENCRYPTION = '1.2.840.113549.1.1.1';
const ED25519 = '1.3.101.112';

type KeyReader = (parameters: DerReader, bits: Uint8Array) => PublicKeyInfo;

const READERS: ReadonlyMap<string, KeyReader> = new Map([
  ['1.2.840.10045.2.1', readEc],
  [RSA_ENCRYPTION, readRsa],
  [ED25519, readEd25519],
]);

/** The parts of a key. Throws {@link FormatError}: `UNSUPPORTED` for a kind or curve that Mayfly does not know,
 * another code for bytes that are no SubjectPublicKeyInfo. */
export function parsePublicKey(spkiDer: Uint8Array): PublicKeyInfo {
  const { algorithm, bits } = split(spkiDer);
  const read = READERS.get(oidText(algorithm.next(Tag.oid).value));
  if (read === undefined) {
    throw new FormatError('UNSUPPORTED', 'the public key is neither ECDSA nor RSA nor Ed25519');
  }
  return read(algorithm, bits);
}

/** The content of subjectPublicKey without the octet of unused bits: what a subject key identifier hashes
 * (RFC 5280 §4.2.1.2). Throws {@link FormatError}. */
export const keyBits = (spkiDer: Uint8Array): Uint8Array => split(spkiDer).bits;

/** SubjectPublicKeyInfo around a DER RSAPublicKey (PKCS#1, `BEGIN RSA PUBLIC KEY`); throws {@link FormatError} when
 * it is none. */
export function spkiOfRsaPublicKey(pkcs1Der: Uint8Array): Uint8Array {
  rsaNumbers(pkcs1Der);
  return sequence(sequence(oid(RSA_ENCRYPTION), Uint8Array.of(Tag.null, 0)), bitString(pkcs1Der));
}

/** SubjectPublicKeyInfo of a raw Ed25519 key; throws {@link FormatError} when it is none, or one that anybody can sign
 * with. */
export function spkiOfEd25519Key(key: Uint8Array): Uint8Array {
  const spki = sequence(sequence(oid(ED25519)), bitString(key));
  parsePublicKey(spki);
  return spki;
}

function split(spkiDer: Uint8Array): { algorithm: DerReader; bits: Uint8Array } {
  const reader = new DerReader(readOnly(spkiDer, Tag.sequence).value);
  const algorithm = reader.enter(Tag.sequence);
  const bits = wholeBits(reader.next(Tag.bitString).value);
  reader.end();
  return { algorithm, bits };
}

function readEc(parameters: DerReader, point: Uint8Array): PublicKeyInfo {
  if (parameters.peek() === Tag.sequence) {
    throw new FormatError('UNSUPPORTED', 'the key spells its curve out in numbers instead of naming it', {
      hint: 'Write it with a named curve: openssl ec -pubin -in key.pem -pubout -param_enc named_curve',
    });
  }
  if (parameters.peek() !== Tag.oid) throw new FormatError('UNSUPPORTED', 'the key names no known curve');
  const known = CURVES.get(oidText(parameters.next(Tag.oid).value));
  parameters.end();
  if (known === undefined) throw new FormatError('UNSUPPORTED', 'the key is on an unsupported curve');
  const [curve, coordinate] = known;
  if (point.length !== 1 + 2 * coordinate || point[0] !== 4) {
    throw new FormatError('MALFORMED', `the key is not an uncompressed point of ${curve}`);
  }
  return { type: 'ec', curve, point };
}

function readRsa(parameters: DerReader, bits: Uint8Array): PublicKeyInfo {
  if (parameters.next(Tag.null).value.length > 0) throw new FormatError('MALFORMED', 'NULL has content');
  parameters.end();
  const { modulus, exponent } = rsaNumbers(bits);
  return { type: 'rsa', bits: bitLength(modulus), modulus, exponent };
}

function readEd25519(parameters: DerReader, key: Uint8Array): PublicKeyInfo {
  parameters.end();
  const fault = ed25519Fault(key);
  if (fault !== undefined) throw new FormatError('MALFORMED', `an Ed25519 key ${fault}`);
  return { type: 'ed25519', key };
}

function rsaNumbers(pkcs1Der: Uint8Array): { modulus: Uint8Array; exponent: Uint8Array } {
  const reader = new DerReader(readOnly(pkcs1Der, Tag.sequence).value);
  const modulus = unsignedMagnitude(reader.next(Tag.integer).value);
  const exponent = unsignedMagnitude(reader.next(Tag.integer).value);
  reader.end();
  return { modulus, exponent };
}

const bitLength = (magnitude: Uint8Array): number =>
  magnitude.length * 8 - Math.clz32(magnitude[0] ?? 0) + 24;
