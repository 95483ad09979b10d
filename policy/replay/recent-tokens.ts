import { LRUCache } from 'lru-cache';

/** Most tokens in the cache, some hundred bytes each. */
export const MAX_RECENT = 20_000;

/** Most tokens of requests that are on their way to the log, and milliseconds for which they may be. */
const MAX_HELD = 8_192;
const HELD_MS = 2_000;

/**
 * The tokens that were used last, known without asking the replay guard's file. Only the file decides whether a token is
 * let through. This cache refuses a token that is sent again and again before it costs a transaction, or counts against its
 * owner's rate limit for the time of one. Keys are 32 bytes of `replayKey`.
 */
export class RecentTokens {
  // Grows with use: sized by count, not up front.
  readonly #used = new LRUCache<string, true>({ maxSize: MAX_RECENT, sizeCalculation: () => 1 });
  readonly #underWay = new Set<string>();
  readonly #held = new LRUCache<string, true>({ maxSize: MAX_HELD, sizeCalculation: () => 1, ttl: HELD_MS });

  /** Whether the token was used, or another request marks it as used at this moment. */
  has(key: Uint8Array): boolean {
    const name = nameOf(key);
    return this.#underWay.has(name) || this.#held.has(name) || this.#used.get(name) === true;
  }

  /** Takes the token for used until the function that this returns is called, what {@link watch} waits for has settled, or a moment has passed. */
  hold(key: Uint8Array): () => void {
    const name = nameOf(key);
    this.#held.set(name, true);
    return () => {
      this.#held.delete(name);
    };
  }

  /** Takes the token for unused again. */
  forget(key: Uint8Array): void {
    this.#used.delete(nameOf(key));
  }

  /** Remembers the token until `marking` has settled, and afterwards if it resolved, to whatever: then the token is used.
   * Resolves when `marking` has settled. */
  async watch(key: Uint8Array, marking: Promise<boolean>): Promise<void> {
    const name = nameOf(key);
    this.#underWay.add(name);
    try {
      await marking;
      this.#used.set(name, true);
    } catch {
      // Undecided. The request that waits for it handles the error.
    } finally {
      this.#underWay.delete(name);
      this.#held.delete(name);
    }
  }
}

const nameOf = (key: Uint8Array): string =>
  Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1');
