import type { Algorithm } from '../core/algorithms.ts';
import { claim } from '../core/claims.ts';
import type { Claims } from '../core/claims.ts';
import type { FetchDocument } from './fetch-document.ts';
import { IssuerFault } from './issuer-fault.ts';
import { readVerificationKey, VerificationKey } from './verification-key.ts';
import type { SkippedKey } from './verification-key.ts';

/** Keys that a set may hold. */
export const MAX_KEYS = 100;
/** Keys that are tried for one token. */
const MAX_TRIED = 10;
/** Keys of which a message says why they are skipped. */
const MAX_NAMED = 3;

/** The keys of an issuer at one time. */
export class KeySet {
  readonly keys: readonly VerificationKey[];
  /** Members of the set that verify nothing here. */
  readonly skipped: readonly SkippedKey[];

  /** Of the members of a JWK Set (RFC 7517 §5), at most {@link MAX_KEYS}. */
  constructor(members: readonly unknown[]) {
    const read = members.map(readVerificationKey);
    this.keys = read.filter((key) => key instanceof VerificationKey);
    this.skipped = read.filter((key): key is SkippedKey => !(key instanceof VerificationKey));
  }

  /** The keys with which a token of this header may be verified. They are the first ones where an issuer has many keys of
   * one key id, or puts no key id into its tokens. */
  candidates(algorithm: Algorithm, keyId: string | undefined): VerificationKey[] {
    return this.keys.filter((key) => key.fits(algorithm, keyId)).slice(0, MAX_TRIED);
  }

  /** The key of that id, whatever it is for. */
  named(keyId: string): VerificationKey | undefined {
    return this.keys.find((key) => key.keyId === keyId);
  }

  /** Why the keys are skipped that a token of this key id may mean; undefined when none is. */
  whySkipped(keyId: string | undefined): string | undefined {
    const meant = this.skipped.filter((key) => (keyId === undefined ? key.isFault : key.keyId === keyId));
    if (meant.length === 0) return undefined;
    const more = meant.length > MAX_NAMED ? `; and ${meant.length - MAX_NAMED} more` : '';
    return (
      meant
        .slice(0, MAX_NAMED)
        .map(({ name, why }) => `${name}: ${why}`)
        .join('; ') + more
    );
  }
}

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
