/** What keeps a member of a JWK Set (RFC 7517 §5) from verifying tokens. */
import { fromBase64Url } from '../../core/bytes.ts';
import { ed25519Fault } from '../../core/ed25519-point.ts';
import { printable } from '../../core/printable.ts';
import { claim } from '../core/claims.ts';
import type { Claims } from '../core/claims.ts';
import type { KeyKind } from './key-kinds.ts';

/** Why a key is skipped. */
export interface KeyFlaw {
  /** Without a subject: `RSA of 1024 bits, …`. */
  readonly why: string;
  /** Whether it is probably a mistake of its owner; false for a key that is meant for another use. */
  readonly isFault: boolean;
}

/** Shortest modulus. The product of two primes of 1024 bits may have 2047 bits, and OpenSSL and Go accept it. */
const MIN_RSA_BITS = 2047;
const MAX_RSA_BITS = 8192;
/** Go's limit. A longer exponent would make the check of a token a hundred times as expensive. */
const MAX_RSA_EXPONENT = 2 ** 31 - 1;

const fault = (why: string): KeyFlaw => ({ why, isFault: true });
const foreign = (why: string): KeyFlaw => ({ why, isFault: false });

/** The flaw of a JWK of this kind, undefined for none; `kind` undefined: of no known kind. Whether the numbers make a key
 * is found out when it is imported. */
export function flawOf(members: Claims, kind: KeyKind | undefined): KeyFlaw | undefined {
  if (kind === undefined) return kindFlaw(members);
  return (
    useFlaw(members) ??
    algorithmFlaw(members, kind) ??
    numberFlaw(members, kind) ??
    (kind.name === 'RSA' ? rsaFlaw(members) : undefined) ??
    (kind.name === 'OKP Ed25519' ? ed25519Flaw(members) : undefined)
  );
}

function kindFlaw(members: Claims): KeyFlaw {
  const type = claim(members, 'kty');
  const curve = claim(members, 'crv');
  if (typeof type !== 'string') return fault('it has no "kty"');
  if (type === 'oct') return fault('it is a symmetric key, which must never be published');
  const on = typeof curve === 'string' ? ` on the curve ${shown(curve)}` : '';
  return foreign(`keys of type ${shown(type)}${on} are not understood`);
}

function useFlaw(members: Claims): KeyFlaw | undefined {
  const use = claim(members, 'use');
  const operations = claim(members, 'key_ops');
  if (use !== undefined && use !== 'sig') return foreign(`its "use" is ${shown(use)}, not "sig"`);
  if (operations === undefined || (Array.isArray(operations) && operations.includes('verify')))
    return undefined;
  return foreign('its "key_ops" do not hold "verify"');
}

/** Of encryption (RFC 7518 §4.1). */
const ENCRYPTION = /^(RSA1_5|RSA-OAEP|ECDH-ES|dir$|A\d{3})/;

function algorithmFlaw(members: Claims, { name, algorithms }: KeyKind): KeyFlaw | undefined {
  const declared = claim(members, 'alg');
  if (declared === undefined || (algorithms as readonly unknown[]).includes(declared)) return undefined;
  const why = `its "alg" is ${shown(declared)}; a key of type ${name} signs with ${algorithms.join(', ')}`;
  return typeof declared === 'string' && ENCRYPTION.test(declared) ? foreign(why) : fault(why);
}

function numberFlaw(members: Claims, { numbers }: KeyKind): KeyFlaw | undefined {
  for (const name of numbers) {
    const text = claim(members, name);
    if (typeof text !== 'string') return fault(`it has no "${name}"`);
    if (text.length > MAX_RSA_BITS / 4) return fault(`its "${name}" is longer than that of any key here`);
    if (bytesOf(text) !== undefined) continue;
    const spelling = /[+/=]/.test(text) ? 'ordinary base64 or padded' : 'something else';
    return fault(`its "${name}" is not base64url but ${spelling}`);
  }
  return undefined;
}

function rsaFlaw(members: Claims): KeyFlaw | undefined {
  const bits = bitLength(bytesOf(claim(members, 'n')));
  if (bits < MIN_RSA_BITS) return fault(`RSA of ${bits} bits, where at least 2048 are wanted`);
  if (bits > MAX_RSA_BITS) return fault(`RSA of ${bits} bits, where at most ${MAX_RSA_BITS} are read`);
  if (isGoodExponent(bytesOf(claim(members, 'e')))) return undefined;
  return fault('its exponent is not an odd number from 3 to 2^31-1');
}

function ed25519Flaw(members: Claims): KeyFlaw | undefined {
  const wrong = ed25519Fault(bytesOf(claim(members, 'x')) ?? new Uint8Array());
  return wrong === undefined ? undefined : fault(`an Ed25519 key ${wrong}`);
}

function bitLength(bytes: Uint8Array = new Uint8Array()): number {
  const first = bytes.findIndex((byte) => byte !== 0);
  return first < 0 ? 0 : (bytes.length - first) * 8 - (Math.clz32(bytes[first] ?? 0) - 24);
}

// With 1 every text is its own signature, and an even number has no inverse.
function isGoodExponent(bytes: Uint8Array = new Uint8Array()): boolean {
  const value = bytes.reduce((high, byte) => high * 256 + byte, 0);
  return value >= 3 && value % 2 === 1 && value <= MAX_RSA_EXPONENT;
}

function bytesOf(text: unknown): Uint8Array | undefined {
  try {
    return typeof text === 'string' && text !== '' ? fromBase64Url(text) : undefined;
  } catch {
    return undefined;
  }
}

const MAX_SHOWN = 40;

/** A value of a set as a message may show it. */
function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return printable(text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text);
}
