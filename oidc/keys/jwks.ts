import { claim } from '../claims.ts';
import type { Claims } from '../claims.ts';
import type { FetchDocument } from './fetch-document.ts';
import { IssuerFault } from './issuer-fault.ts';
import { KeySet, MAX_KEYS } from './key-set.ts';

const LIMITS = { timeout: 10_000, size: 512 * 1024 };

/** Fetches the JWK Set (RFC 7517 §5) at `url`. Throws {@link IssuerFault}. */
export async function fetchKeySet(url: URL, fetch: FetchDocument): Promise<KeySet> {
  const document = await fetch(url, LIMITS);
  const isObject = typeof document === 'object' && document !== null;
  const keys = isObject ? claim(document as Claims, 'keys') : undefined;
  if (!Array.isArray(keys)) throw new IssuerFault('UNUSABLE', `${url.href} does not hold a list of keys`);
  if (keys.length > MAX_KEYS)
    throw new IssuerFault('UNUSABLE', `${url.href} holds more than ${MAX_KEYS} keys`);
  return new KeySet(keys);
}
