/** The budget of the log's read side: reads wait for one another, never an issuance for a read. */

/** How much of the budget there is. */
export interface ReadLimits {
  /** Reads that run at once. */
  readonly concurrency: number;
  /** Reads of one client that may wait; default four times as many as run. */
  readonly waitingPerClient?: number | undefined;
  /** Reads of all clients that may wait; default 64 times as many as run. */
  readonly waiting?: number | undefined;
}

/** What one client waits for: called with whether the read may begin. */
type Waiter = (mayBegin: boolean) => void;

/** Lets a bounded number of reads run and a bounded number wait, and refuses the rest. Clients that wait take turns, so
 * that a client with many connections delays another by one read, and not by all that it has asked for. */
export class ReadBudget {
  readonly #concurrency: number;
  readonly #perClient: number;
  readonly #all: number;
  /** By client, in the order of their turns; none is empty. */
  readonly #queues = new Map<string, Waiter[]>();
  #waiting = 0;
  #running = 0;

  constructor({ concurrency, waitingPerClient, waiting }: ReadLimits) {
    this.#concurrency = concurrency;
    this.#perClient = waitingPerClient ?? 4 * concurrency;
    this.#all = waiting ?? 64 * concurrency;
  }

  /** Reads that run. */
  get running(): number {
    return this.#running;
  }

  /** Runs `read` when its turn comes; undefined when too many of the client's or of all wait already. Each read begins
   * in a turn of the event loop of its own, so that signing requests get theirs in between. */
  async run<T>(client: string, read: () => Promise<T>): Promise<T | undefined> {
    if (!(await this.#turn(client))) return undefined;
    try {
      await new Promise<void>((resolve) => {
        setImmediate(resolve);
      });
      return await read();
    } finally {
      this.#running--;
      this.#callNext();
    }
  }

  /** Resolves to whether the read may begin, and then it counts as running. */
  async #turn(client: string): Promise<boolean> {
    if (this.#running < this.#concurrency) {
      this.#running++;
      return true;
    }
    if (!this.#hasRoomFor(client)) return false;
    return new Promise((resolve) => {
      const queue = this.#queues.get(client);
      if (queue === undefined) this.#queues.set(client, [resolve]);
      else queue.push(resolve);
      this.#waiting++;
    });
  }

  #callNext(): void {
    for (const [client, queue] of this.#queues) {
      const waiter = queue.shift();
      this.#queues.delete(client);
      if (queue.length > 0) this.#queues.set(client, queue);
      this.#waiting--;
      this.#running++;
      waiter?.(true);
      return;
    }
  }

  /** A full queue is shared: the client that waits for most loses its newest read to a client that waits for less. */
  #hasRoomFor(client: string): boolean {
    const own = this.#queues.get(client)?.length ?? 0;
    if (own >= this.#perClient) return false;
    if (this.#waiting < this.#all) return true;
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
