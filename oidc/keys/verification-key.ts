import { importJWK } from 'jose';
import type { CryptoKey, JWK } from 'jose';
import { fromBase64Url } from '../../core/bytes.ts';
import { ed25519Fault } from '../../core/ed25519-point.ts';
import { rsaWeakness } from '../../core/rsa-weakness.ts';
import { ALGORITHMS } from '../algorithms.ts';
import type { Algorithm } from '../algorithms.ts';
import { claim } from '../claims.ts';
import type { Claims } from '../claims.ts';
import { ModulusJudge } from '../modulus-judge.ts';
import { importedKey } from './signature-check.ts';
import type { ImportedKey } from './signature-check.ts';

const MIN_RSA_BITS = 2048;
const MAX_RSA_BITS = 8192;
/** As Go has it. A longer one would cost a token's check a hundred times as much, once for each key. */
const MAX_RSA_EXPONENT = 2 ** 31 - 1;

/** One kind of key that a JWKS may hold. */
interface KeyKind {
  readonly algorithms: readonly Algorithm[];
  /** The members of the JWK that make the public key; nothing else is handed to the importer. */
  readonly members: readonly string[];
}

const RSA: KeyKind = {
  algorithms: ALGORITHMS.filter((name) => /^[RP]S/.test(name)),
  members: ['kty', 'n', 'e'],
};
const ED25519: KeyKind = { algorithms: ['EdDSA'], members: ['kty', 'crv', 'x'] };
const EC_MEMBERS = ['kty', 'crv', 'x', 'y'];

/** Key type and curve → kind. */
const KEY_KINDS: ReadonlyMap<string, KeyKind> = new Map<string, KeyKind>([
  ['RSA', RSA],
  ['EC P-256', { algorithms: ['ES256'], members: EC_MEMBERS }],
  ['EC P-384', { algorithms: ['ES384'], members: EC_MEMBERS }],
  ['EC P-521', { algorithms: ['ES512'], members: EC_MEMBERS }],
  ['OKP Ed25519', ED25519],
]);

/** A public key of an issuer. Imported once for each algorithm, when a token first needs it. */
export class VerificationKey {
  readonly keyId: string | undefined;
  /** With which it may verify. */
  readonly algorithms: readonly Algorithm[];
  readonly #jwk: JWK;
  /** Of an RSA key; unsigned, big-endian. */
  readonly #modulus: Uint8Array | undefined;
  #sound: boolean | Promise<boolean> | undefined;
  readonly #imported = new Map<Algorithm, Promise<ImportedKey | undefined>>();

  constructor(
    keyId: string | undefined,
    jwk: JWK,
    algorithms: readonly Algorithm[],
    modulus: Uint8Array | undefined,
  ) {
    this.keyId = keyId;
    this.#jwk = jwk;
    this.#modulus = modulus;
    this.algorithms = algorithms;
  }

  /** Whether a token with this algorithm and key id may be verified with this key. A token without key id fits every
   * key of its algorithm. */
  fits(algorithm: Algorithm, keyId: string | undefined): boolean {
    return (keyId === undefined || keyId === this.keyId) && this.algorithms.includes(algorithm);
  }

  /** The key, ready for `algorithm`; undefined when its numbers make no key. */
  import(algorithm: Algorithm): Promise<ImportedKey | undefined> {
    let key = this.#imported.get(algorithm);
    if (key === undefined) {
      // The JWK has no secret and is no `oct` key, so that the importer never gives plain bytes.
      key = isBroken(this.#modulus)
        ? Promise.resolve(undefined)
        : importJWK(this.#jwk, algorithm).then(
            (made) => importedKey(made as CryptoKey),
            () => undefined,
          );
      this.#imported.set(algorithm, key);
    }
    return key;
  }

  /** Whether a signature that held says anything: not with a modulus that anybody can take apart. Takes milliseconds
   * when it is first asked, nothing afterwards. */
  isSound(): boolean | Promise<boolean> {
    if (this.#modulus === undefined) return true;
    this.#sound ??= JUDGE.weaknessOf(this.#modulus).then(
      (weakness) => (this.#sound = weakness === undefined),
    );
    return this.#sound;
  }
}

/** One for all issuers: they have few keys, and each is judged once. */
const JUDGE = new ModulusJudge();

const isBroken = (modulus: Uint8Array | undefined): boolean =>
  modulus !== undefined && rsaWeakness(modulus) !== undefined;

/** The key that one member of a JWKS describes; undefined when it is none that may verify a token: another use, another
 * kind, a symmetric key, RSA below 2048 bits or with an exponent that makes no key, an Ed25519 point that is none. An
 * issuer may publish such keys, so they are skipped, not refused. */
export function readVerificationKey(jwk: unknown): VerificationKey | undefined {
  if (typeof jwk !== 'object' || jwk === null || Array.isArray(jwk)) return undefined;
  const members = jwk as Claims;
  const kind = kindOf(members);
  if (kind === undefined || !mayVerify(members)) return undefined;
  const modulus = kind === RSA ? goodModulus(claim(members, 'n')) : undefined;
  if (kind === RSA && (modulus === undefined || !goodExponent(claim(members, 'e')))) return undefined;
  if (kind === ED25519 && !goodPoint(claim(members, 'x'))) return undefined;
  const declared = claim(members, 'alg');
  const algorithms = kind.algorithms.filter((name) => declared === undefined || declared === name);
  const bare = Object.fromEntries(kind.members.map((name) => [name, claim(members, name)]));
  const keyId = claim(members, 'kid');
  return new VerificationKey(typeof keyId === 'string' ? keyId : undefined, bare, algorithms, modulus);
}

function kindOf(members: Claims): KeyKind | undefined {
  const type = claim(members, 'kty');
  const curve = claim(members, 'crv');
  if (typeof type !== 'string') return undefined;
  return KEY_KINDS.get(type === 'RSA' || typeof curve !== 'string' ? type : `${type} ${curve}`);
}

function mayVerify(members: Claims): boolean {
  const use = claim(members, 'use');
  const operations = claim(members, 'key_ops');
  if (use !== undefined && use !== 'sig') return false;
  return operations === undefined || (Array.isArray(operations) && operations.includes('verify'));
}

/** The modulus without zeros in front, when it is neither too short nor too long. */
function goodModulus(modulus: unknown): Uint8Array | undefined {
  const bytes = numberOf(modulus);
  if (bytes === undefined) return undefined;
  const first = bytes.findIndex((byte) => byte !== 0);
  if (first < 0) return undefined;
  const bits = (bytes.length - first) * 8 - (Math.clz32(bytes[first] ?? 0) - 24);
  return bits >= MIN_RSA_BITS && bits <= MAX_RSA_BITS ? bytes.subarray(first) : undefined;
}

function goodPoint(point: unknown): boolean {
  const bytes = numberOf(point);
  return bytes !== undefined && ed25519Fault(bytes) === undefined;
}

// With 1 every text is its own signature, and an even number has no inverse.
function goodExponent(exponent: unknown): boolean {
  const bytes = numberOf(exponent);
  if (bytes === undefined) return false;
  const value = bytes.reduce((high, byte) => high * 256 + byte, 0);
  return value >= 3 && value % 2 === 1 && value <= MAX_RSA_EXPONENT;
}

function numberOf(text: unknown): Uint8Array | undefined {
  if (typeof text !== 'string' || text.length > MAX_RSA_BITS / 4) return undefined;
  try {
    return fromBase64Url(text);
  } catch {
    return undefined;
  }
}
