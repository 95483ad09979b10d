/** Requests with a body, of one kind: from the first byte of the body to the answer, bounded in the memory that bodies take, in how many wait, and in what begins in one turn of the event loop. */
import { ConcurrencyLimit } from '../../core/concurrency-limit.ts';
import type { AcceptCount } from './accept-priority.ts';
import { Batcher } from './batcher.ts';
import { BodyMemory } from './body-memory.ts';
import type { Exchange } from './exchange.ts';
import { LargeBodyQueue } from './large-body-queue.ts';
import { readBody, type Body } from './request-body.ts';
import type { TransportError } from './transport-error.ts';

/** The bounds of one kind of requests. */
interface BodyQueueBounds {
  /** Bytes of bodies that are held at once, and of one body. */
  readonly memory: number;
  readonly longest: number;
  /** Requests whose body is complete and that are not answered. */
  readonly waiting: number;
  /** What begins in one turn, and the milliseconds after which no more of it begins. */
  readonly perTurn: { readonly pieces: number; readonly ms: number };
}

/** One for each kind. */
export class BodyQueue {
  readonly #memory: BodyMemory;
  readonly #large: LargeBodyQueue;
  readonly #longest: number;
  readonly #batcher: Batcher;
  readonly #waiting: ConcurrencyLimit;

  constructor(accepted: AcceptCount, { memory, longest, waiting, perTurn }: BodyQueueBounds) {
    this.#memory = new BodyMemory(memory);
    this.#large = new LargeBodyQueue(accepted);
    this.#longest = longest;
    this.#batcher = new Batcher(accepted, perTurn);
    this.#waiting = new ConcurrencyLimit(waiting);
  }

  /** Calls `taken` once, with the whole body, which is to be released, or with why there is none; never where the client went away, for then nobody is left to answer. */
  read(exchange: Exchange, taken: (body: Body | TransportError) => void, longest = this.#longest): void {
    const limits = { memory: this.#memory, queue: this.#large, longest };
    readBody(exchange.request, limits, (body) => {
      if (body === undefined) return;
      exchange.complete();
      taken(body);
    });
  }

  /** Works on a request when its turn comes; `work` answers it, does not reject, and releases the body. False, with the body released, where too many wait. */
  join(body: Body, work: () => Promise<void>, priority: 'normal' | 'low' = 'normal'): boolean {
    if (!this.#waiting.enter()) {
      body.release();
      return false;
    }
    this.#batcher.join(() => {
      void work().finally(() => {
        this.#waiting.leave();
      });
    }, priority);
    return true;
  }
}
