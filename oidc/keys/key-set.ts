import type { Algorithm } from '../algorithms.ts';
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
  /** What the set holds besides. */
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

  /** Which keys that a token of this key id may mean are skipped, and why; undefined when there are none. */
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
