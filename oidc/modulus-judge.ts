/**
 * RSA moduli that anybody can take apart, as far as finding out takes longer than `core/rsa-weakness.ts`: whoever has
 * the public key has the private one. A modulus is looked at once and remembered. Asked last, when signatures and limits
 * have held, so that nobody without a key of that modulus can cause the work.
 */
import { checkPrime, createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { LRUCache } from 'lru-cache';
import { smallFactor } from '../core/rsa-weakness.ts';

const isPrime = promisify((modulus: Uint8Array, done: (error: Error | null, answer?: boolean) => void) => {
  // A composite number nearly always fails the first round. A prime one takes all rounds of OpenSSL, whatever is asked
  // for: seconds of a thread, but as long as it took to find that prime.
  checkPrime(modulus, { checks: 1 }, (error, answer) => {
    done(error, answer);
  });
});

const REMEMBERED = 2000;
/** Bytes of a modulus of 4096 bits. */
const USUAL = 512;

/** Judges one modulus after the other, in a thread of the pool; longer ones than usual wait for each other alone. */
export class ModulusJudge {
  readonly #known = new LRUCache<string, Promise<string | undefined>>({ max: REMEMBERED });
  /** What the next modulus waits for, by whether it is longer than usual. */
  readonly #last = new Map<boolean, Promise<unknown>>();

  /** Why nobody may rely on the modulus (unsigned, big-endian), as the end of a sentence that begins with "the key";
   * undefined when nothing is known against it. */
  weaknessOf(modulus: Uint8Array): Promise<string | undefined> {
    const name = createHash('sha256').update(modulus).digest('base64');
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const isLong = modulus.length > USUAL;
    const answer = Promise.resolve(this.#last.get(isLong)).then(() => judge(modulus));
    this.#known.set(name, answer);
    this.#last.set(
      isLong,
      answer.catch(() => {
        this.#known.delete(name);
      }),
    );
    return answer;
  }
}

async function judge(modulus: Uint8Array): Promise<string | undefined> {
  const factor = smallFactor(modulus);
  if (factor !== undefined) return `has a modulus with the prime factor ${factor}`;
  return (await isPrime(modulus)) === true ? 'has a prime number for its modulus' : undefined;
}
