/**
 * The tokens that were used last, known without asking the replay guard's file. Only the file decides whether a token is
 * let through. This cache refuses a token that is sent again and again before it costs a transaction, or takes a place in
 * its owner's rate limit for the time of one.
 */
import { LRUCache } from 'lru-cache';

/** Most tokens in the cache, some hundred bytes each. */
export const MAX_RECENT = 20_000;

/** See the top of the file. Keys are 32 bytes of `replayKey`. */
export class RecentTokens {
  // Grows with use: sized by count, not up front.
  readonly #used = new LRUCache<string, true>({ maxSize: MAX_RECENT, sizeCalculation: () => 1 });
  readonly #claimed = new Set<string>();

  /** Whether the token was used, or another request claims it at this moment. */
  has(key: Uint8Array): boolean {
    const name = nameOf(key);
    return this.#claimed.has(name) || this.#used.get(name) === true;
  }

  /** Remembers the token while it is being claimed, and afterwards if the claim was decided, either way: then it is used.
   * Resolves when `claim` has settled. */
  async watch(key: Uint8Array, claim: Promise<boolean>): Promise<void> {
    const name = nameOf(key);
    this.#claimed.add(name);
    try {
      await claim;
      this.#used.set(name, true);
    } catch {
      // Undecided. Whoever made the claim handles the error.
    } finally {
      this.#claimed.delete(name);
    }
  }
}

const nameOf = (key: Uint8Array): string =>
  Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1');
