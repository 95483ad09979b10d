/** The concurrency limit of the log's read side. Reads wait for one another; issuing never waits for a read. */
import { Tally } from '../../core/tally.ts';

/** Bytes of a request or an answer that cost as much as reading an entry. */
const ENTRY_COST = 16 * 1024;

/** As how many entries so many bytes count, beyond the first. */
export const costOfBytes = (length: number): number => Math.floor(length / ENTRY_COST);

/** How many reads may run and wait. */
interface ReadLimiterOptions {
  /** Reads that run at once; those of one client take half of it, rounded up. */
  readonly concurrency: number;
  /** Reads of one client that may wait; default four times as many as run. */
  readonly waitingPerClient?: number | undefined;
  /** Reads of all clients that may wait; default 64 times as many as run. */
  readonly waiting?: number | undefined;
}

/** A read in a queue: called with whether it may begin. */
type Waiter = (mayBegin: boolean) => void;

/** Lets a bounded number of reads run and a bounded number wait, and refuses the rest. One client's reads take half of the
 * concurrency, so that those of another begin at once, and clients that wait take turns. */
export class ReadLimiter {
  readonly #concurrency: number;
  readonly #runningPerClient: number;
  readonly #waitingPerClient: number;
  readonly #waitingLimit: number;
  /** By client, in the order of their turns; none is empty. */
  readonly #queues = new Map<string, Waiter[]>();
  #waiting = 0;
  readonly #runningOf = new Tally<string>();
  #running = 0;

  constructor({ concurrency, waitingPerClient, waiting }: ReadLimiterOptions) {
    this.#concurrency = concurrency;
    this.#runningPerClient = Math.ceil(concurrency / 2);
    this.#waitingPerClient = waitingPerClient ?? 4 * concurrency;
    this.#waitingLimit = waiting ?? 64 * concurrency;
  }

  /** Reads that run. */
  get running(): number {
    return this.#running;
  }

  /** Runs `read` when its turn comes; undefined when too many of the client's or of all wait already. Each read begins
   * in a turn of the event loop of its own, so that signing requests get theirs in between. */
  async run<T>(client: string, read: () => Promise<T>): Promise<T | undefined> {
    if (!(await this.#waitForTurn(client))) return undefined;
    try {
      await new Promise<void>((resolve) => {
        setImmediate(resolve);
      });
      return await read();
    } finally {
      this.#end(client);
      this.#beginNext();
    }
  }

  #mayBegin(client: string): boolean {
    return this.#running < this.#concurrency && this.#runningOf.of(client) < this.#runningPerClient;
  }

  #begin(client: string): void {
    this.#running++;
    this.#runningOf.add(client, 1);
  }

  #end(client: string): void {
    this.#running--;
    this.#runningOf.add(client, -1);
  }

  /** Resolves to whether the read may begin, and then it counts as running. */
  async #waitForTurn(client: string): Promise<boolean> {
    if (this.#mayBegin(client)) {
      this.#begin(client);
      return true;
    }
    if (!this.#mayWait(client)) return false;
    return new Promise((resolve) => {
      const queue = this.#queues.get(client);
      if (queue === undefined) this.#queues.set(client, [resolve]);
      else queue.push(resolve);
      this.#waiting++;
    });
  }

  #beginNext(): void {
    for (const [client, queue] of this.#queues) {
      if (!this.#mayBegin(client)) continue;
      const waiter = queue.shift();
      this.#queues.delete(client);
      if (queue.length > 0) this.#queues.set(client, queue);
      this.#waiting--;
      this.#begin(client);
      waiter?.(true);
      return;
    }
  }

  /** A full queue is shared: the client that waits for most loses its newest read to a client that waits for less. */
  #mayWait(client: string): boolean {
    const own = this.#queues.get(client)?.length ?? 0;
    if (own >= this.#waitingPerClient) return false;
    if (this.#waiting < this.#waitingLimit) return true;
    const longest = this.#longestQueue();
    if (longest.length <= own + 1) return false;
    longest.pop()?.(false);
    this.#waiting--;
    return true;
  }

  #longestQueue(): Waiter[] {
    let longest: Waiter[] = [];
    for (const queue of this.#queues.values()) if (queue.length > longest.length) longest = queue;
    return longest;
  }
}
