/**
 * ECDSA over a digest that is given (FIPS 186-5 §6.4.2). OpenSSL checks such signatures, but Node hands it messages alone, which it hashes; a library in JavaScript takes over ten
 * times as long. So OpenSSL checks the same signature (r, s) over a message of ours, by another key. With the digest e and the key Q it is to find the x coordinate r of
 *
 *     R = (e/s)·G + (r/s)·Q = (e'/s)·G + (r/s)·Q'    where    Q' = Q + ((e − e')/r)·G
 *
 * and e' is the digest of that message: it is one by Q over e exactly when it is one by Q' over e'. What is left to do here is to add two points.
 * Nothing here is secret, so that the time which it takes may depend on it.
 */
import { createECDH, hash, verify, type ECDH } from 'node:crypto';
import { DerReader, readOnly, unsignedMagnitude } from '../../core/der-reader.ts';
import { Tag } from '../../core/der-tag.ts';
import { bitString, oid, sequence } from '../../core/der-writer.ts';
import { encodePem } from '../../core/pem.ts';

/** The curves of NIST: y² = x³ − 3x + b over the field of p elements, with a base point of the order n. */
interface Curve {
  /** As OpenSSL calls it. */
  readonly name: string;
  /** DER AlgorithmIdentifier of its keys (RFC 5480). */
  readonly identifier: Uint8Array;
  readonly p: bigint;
  readonly n: bigint;
  readonly b: bigint;
  /** Bytes of a coordinate and of a scalar. */
  readonly width: number;
  /** Bits of n. */
  readonly bits: number;
}

const curve = (
  [name, dotted]: readonly [name: string, oid: string],
  bits: number,
  p: string,
  n: string,
  b: string,
): Curve => ({
  name,
  identifier: sequence(oid('1.2.840.10045.2.1'), oid(dotted)),
  p: BigInt(`0x${p}`),
  n: BigInt(`0x${n}`),
  b: BigInt(`0x${b}`),
  width: Math.ceil(bits / 8),
  bits,
});

const CURVES: Readonly<Record<'P-256' | 'P-384' | 'P-521', Curve>> = {
  'P-256': curve(
    ['prime256v1', '1.2.840.10045.3.1.7'],
    256,
    'ffffffff00000001000000000000000000000000ffffffffffffffffffffffff',
    'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551',
    '5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b',
  ),
  'P-384': curve(
    ['secp384r1', '1.3.132.0.34'],
    384,
    `${'f'.repeat(63)}effffffff0000000000000000ffffffff`,
    `${'f'.repeat(48)}c7634d81f4372ddf581a0db248b0a77aecec196accc52973`,
    'b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef',
  ),
  'P-521': curve(
    ['secp521r1', '1.3.132.0.35'],
    521,
    `1${'f'.repeat(130)}`,
    `1${'f'.repeat(65)}a51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409`,
    '51953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00',
  ),
};

type Point = readonly [x: bigint, y: bigint];

/** Messages of ours, with what is signed of them. For every signature there is one key for which the first would do with no key but infinity, which is none. */
const MESSAGES = ['', '\0'].map((text) => {
  const message = Buffer.from(text);
  return { message, digest: hash('sha256', message, 'buffer') };
});

/** Whether `signature` (DER) is one by the key of that uncompressed point over `digest`. A point that is not on its curve signs nothing. */
export function verifyEcdsaDigest(
  key: { readonly curve: keyof typeof CURVES; readonly point: Uint8Array },
  digest: Uint8Array,
  signature: Uint8Array,
): boolean {
  const on = CURVES[key.curve];
  const [r, s] = readSignature(signature);
  if (r === 0n || r >= on.n || s === 0n || s >= on.n) return false;
  const point = decode(key.point, on);
  // Adding does not ask for it, and nothing is to rest on where the sum of a point elsewhere lies.
  if (!isOnCurve(on, point)) return false;
  const e = leftBits(digest, on.bits);
  const inverse = invert(r, on.n);
  for (const { message, digest: known } of MESSAGES) {
    const factor = modulo((e - leftBits(known, on.bits)) * inverse, on.n);
    const other = add(on, point, baseTimes(on, factor));
    if (other !== undefined) return verify('sha256', message, keyText(on, other), signature);
  }
  return false;
}

function readSignature(signature: Uint8Array): [r: bigint, s: bigint] {
  const reader = new DerReader(readOnly(signature, Tag.sequence).value);
  const r = toBigInt(unsignedMagnitude(reader.next(Tag.integer).value));
  const s = toBigInt(unsignedMagnitude(reader.next(Tag.integer).value));
  reader.end();
  return [r, s];
}

const toBigInt = (bytes: Uint8Array): bigint =>
  BigInt(`0x0${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')}`);

/** The digest as a number, of its first `bits` bits. */
const leftBits = (digest: Uint8Array, bits: number): bigint =>
  toBigInt(digest) >> BigInt(Math.max(0, digest.length * 8 - bits));

const scalar = (value: bigint, { width }: Curve): Buffer =>
  Buffer.from(value.toString(16).padStart(2 * width, '0'), 'hex');

/** One for each curve: making one takes longer than using it. No state of it outlives a check. */
const ECDHS = new Map<string, ECDH>();

/** factor·G: the public key of the private key `factor`. Undefined for the point at infinity. */
function baseTimes(on: Curve, factor: bigint): Point | undefined {
  if (factor === 0n) return undefined;
  const ecdh = ECDHS.get(on.name) ?? createECDH(on.name);
  ECDHS.set(on.name, ecdh);
  ecdh.setPrivateKey(scalar(factor, on));
  return decode(ecdh.getPublicKey(), on);
}

const decode = (point: Uint8Array, { width }: Curve): Point => [
  toBigInt(point.subarray(1, 1 + width)),
  toBigInt(point.subarray(1 + width)),
];

/** The key of that point in PEM: OpenSSL reads no other form as fast, and it is used once. */
function keyText(on: Curve, [x, y]: Point): string {
  const point = Buffer.concat([Uint8Array.of(4), scalar(x, on), scalar(y, on)]);
  return encodePem('PUBLIC KEY', sequence(on.identifier, bitString(point)));
}

const isOnCurve = ({ p, b }: Curve, [x, y]: Point): boolean =>
  x < p && y < p && (y * y - (x * x * x - 3n * x + b)) % p === 0n;

/** Undefined for the point at infinity. */
function add(on: Curve, point: Point, other: Point | undefined): Point | undefined {
  if (other === undefined) return point;
  const { p } = on;
  const [[x1, y1], [x2, y2]] = [point, other];
  if (x1 === x2 && y1 !== y2) return undefined;
  const slope =
    x1 === x2 ? (3n * x1 * x1 - 3n) * invert((2n * y1) % p, p) : (y2 - y1) * invert(modulo(x2 - x1, p), p);
  const x = modulo(slope * slope - x1 - x2, p);
  return [x, modulo(slope * (x1 - x) - y1, p)];
}

const modulo = (value: bigint, prime: bigint): bigint => {
  const rest = value % prime;
  return rest < 0n ? rest + prime : rest;
};

/** 1/value for a value between 0 and a prime. */
function invert(value: bigint, prime: bigint): bigint {
  let a = value;
  let b = prime;
  let u = 1n;
  let v = 0n;
  // Without arrays for the pairs, which take a quarter of the time.
  while (a > 1n) {
    const quotient = b / a;
    const rest = b - quotient * a;
    b = a;
    a = rest;
    const next = v - quotient * u;
    v = u;
    u = next;
  }
  return u < 0n ? u + prime : u;
}
