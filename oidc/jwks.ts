import type { Algorithm } from './algorithms.ts';
import { claim } from './claims.ts';
import type { Claims } from './claims.ts';
import type { FetchDocument } from './fetch-document.ts';
import { IssuerFault } from './issuer-fault.ts';
import { readVerificationKey } from './verification-key.ts';
import type { VerificationKey } from './verification-key.ts';

const LIMITS = { timeout: 10_000, size: 512 * 1024 };
const MAX_KEYS = 100;

/** The keys of an issuer at one time. */
export class KeySet {
  readonly #keys: readonly VerificationKey[];

  constructor(keys: readonly VerificationKey[]) {
    this.#keys = keys;
  }

  /** The keys with which a token of this header may be verified. */
  candidates(algorithm: Algorithm, keyId: string | undefined): VerificationKey[] {
    return this.#keys.filter((key) => key.fits(algorithm, keyId));
  }
}

/** Fetches the JWK Set (RFC 7517 §5) at `url`, which `issuer` named. The operator named the issuer's host, and thereby
 * agreed to wherever it is; any other host must have a public address. Throws {@link IssuerFault}. */
export async function fetchKeySet(
  url: URL,
  issuer: string,
  fetch: FetchDocument,
  timeout = LIMITS.timeout,
): Promise<KeySet> {
  const publicOnly = url.hostname !== new URL(issuer).hostname;
  const document = await fetch(url, { ...LIMITS, timeout, publicOnly });
  const isObject = typeof document === 'object' && document !== null;
  const keys = isObject ? claim(document as Claims, 'keys') : undefined;
  if (!Array.isArray(keys)) throw new IssuerFault('UNUSABLE', `${url.href} does not hold a list of keys`);
  // A token without key id is tried with every key: their number is a bound on work.
  if (keys.length > MAX_KEYS)
    throw new IssuerFault('UNUSABLE', `${url.href} holds more than ${MAX_KEYS} keys`);
  return new KeySet(keys.map(readVerificationKey).filter((key) => key !== undefined));
}
