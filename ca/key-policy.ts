/**
 * Which public keys may be certified: a table of types, and for RSA a table of known weaknesses (the rules of Let's
 * Encrypt's `goodkey`, which Fulcio uses). That a point is on its curve is checked by OpenSSL when the key is loaded.
 */
import type { PublicKeyInfo } from '../core/public-key.ts';
import { equalBytes } from '../core/bytes.ts';
import { rsaWeakness } from '../core/rsa-weakness.ts';
import type { ClientKeyType } from './signing-algorithms.ts';

/** What the policy says of a key. `reason` ends a sentence that begins with "the key". */
type KeyVerdict =
  | { readonly good: true; readonly type: ClientKeyType }
  | { readonly good: false; readonly code: 'KEY_INSECURE' | 'KEY_UNSUPPORTED'; readonly reason: string };

/** What to use instead, for hints. */
export const GOOD_KEYS = 'Use ECDSA P-256, P-384 or P-521, RSA with 2048, 3072 or 4096 bits, or Ed25519.';

const RSA_TYPES: ReadonlyMap<number, ClientKeyType> = new Map([
  [2048, 'RSA-2048'],
  [3072, 'RSA-3072'],
  [4096, 'RSA-4096'],
]);

/** 65537. */
const F4 = Uint8Array.of(1, 0, 1);

/** Judges a key that was parsed; see the file's head. Takes up to a millisecond for RSA, nothing otherwise. */
export function judgeKey(info: PublicKeyInfo): KeyVerdict {
  if (info.type === 'ec') return { good: true, type: info.curve };
  if (info.type === 'ed25519') return { good: true, type: 'Ed25519' };
  const type = RSA_TYPES.get(info.bits);
  if (type === undefined) {
    return insecure(`is an RSA key of ${info.bits} bits, and only 2048, 3072 and 4096 are accepted`);
  }
  if (!equalBytes(info.exponent, F4)) return insecure('has a public exponent other than 65537');
  const weakness = rsaWeakness(info.modulus);
  return weakness === undefined ? { good: true, type } : insecure(weakness);
}

const insecure = (reason: string): KeyVerdict => ({ good: false, code: 'KEY_INSECURE', reason });
