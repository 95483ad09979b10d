/**
 * Judges RSA moduli in a thread of its own: those of issuers' keys, and for `ca/issuance.ts` those of clients' keys. A modulus
 * is open when anybody can compute the private key from the public one. Each modulus is judged once, and the result is
 * cached. It is judged last, after the signature and the limits were checked, so that only a caller with a key of that modulus
 * can cause the work.
 */
import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { startWorker, type WorkerChannel } from '../../storage/worker-channel.ts';

const CACHED_MODULI = 2000;
/** Bytes of a modulus of 4096 bits. */
const USUAL = 512;

/** A modulus that waits to be judged. */
interface Question {
  readonly modulus: Uint8Array;
  readonly resolve: (weakness: string | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** Judges one modulus after the other; those that are longer than usual wait until no other does. */
export class ModulusJudge {
  readonly #known = new LRUCache<string, Promise<string | undefined>>({ max: CACHED_MODULI });
  readonly #usual: Question[] = [];
  readonly #long: Question[] = [];
  #thread: WorkerChannel<Uint8Array, string | undefined> | undefined;
  #isJudging = false;

  /** Why the modulus (unsigned, big-endian) is not secure, as the end of a sentence that begins with "the key"; undefined when
   * no weakness was found. Rejects when the thread dies; the next call starts another. */
  weaknessOf(modulus: Uint8Array): Promise<string | undefined> {
    const name = createHash('sha256').update(modulus).digest('base64');
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const answer = new Promise<string | undefined>((resolve, reject) => {
      (modulus.length > USUAL ? this.#long : this.#usual).push({ modulus, resolve, reject });
    });
    this.#known.set(name, answer);
    answer.catch(() => this.#known.delete(name));
    if (!this.#isJudging) void this.#judge();
    return answer;
  }

  async #judge(): Promise<void> {
    this.#isJudging = true;
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      try {
        next.resolve(await this.#running().ask(next.modulus));
      } catch (error) {
        next.reject(error);
      }
    }
    this.#isJudging = false;
  }

  #next(): Question | undefined {
    return this.#usual.shift() ?? this.#long.shift();
  }

  #running(): WorkerChannel<Uint8Array, string | undefined> {
    if (this.#thread?.isGone === true) this.#thread = undefined;
    return (this.#thread ??= startWorker({
      beside: import.meta.url,
      name: 'modulus-judge-worker',
      workerData: undefined,
      gone: (reason) => new Error(reason),
      isIdleWhenUnasked: true,
    }));
  }
}
