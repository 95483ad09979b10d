import type { Algorithm } from '../algorithms.ts';
import { claim } from '../claims.ts';
import type { Claims } from '../claims.ts';
import type { FetchDocument } from './fetch-document.ts';
import { IssuerFault } from './issuer-fault.ts';
import { readVerificationKey } from './verification-key.ts';
import type { VerificationKey } from './verification-key.ts';

const LIMITS = { timeout: 10_000, size: 512 * 1024 };
/** Keys that a set may hold. */
export const MAX_KEYS = 100;
/** Keys that are tried for one token. */
const MAX_TRIED = 10;

/** The keys of an issuer at one time. */
export class KeySet {
  readonly #keys: readonly VerificationKey[];

  constructor(keys: readonly VerificationKey[]) {
    this.#keys = keys;
  }

  /** The keys with which a token of this header may be verified: the first ones, when an issuer gives many keys one key
   * id, or none to its tokens. */
  candidates(algorithm: Algorithm, keyId: string | undefined): VerificationKey[] {
    return this.#keys.filter((key) => key.fits(algorithm, keyId)).slice(0, MAX_TRIED);
  }
}

/** Fetches the JWK Set (RFC 7517 §5) at `url`. Throws {@link IssuerFault}. */
export async function fetchKeySet(url: URL, fetch: FetchDocument): Promise<KeySet> {
  const document = await fetch(url, LIMITS);
  const isObject = typeof document === 'object' && document !== null;
  const keys = isObject ? claim(document as Claims, 'keys') : undefined;
  if (!Array.isArray(keys)) throw new IssuerFault('UNUSABLE', `${url.href} does not hold a list of keys`);
  if (keys.length > MAX_KEYS)
    throw new IssuerFault('UNUSABLE', `${url.href} holds more than ${MAX_KEYS} keys`);
  return new KeySet(keys.map(readVerificationKey).filter((key) => key !== undefined));
}
