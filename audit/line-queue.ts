/**
 * Lines on their way to one destination. Those that wait go together, so that one flush of a disk or one segment of
 * a connection carries many; while it is under way the next ones gather.
 *
 * A line that somebody waits for is tried once: it is there, or its request is refused. Any other is kept and tried
 * again until it is there; only when more waits than memory is for is one lost, and that is counted and told.
 */
import { GroupCommit } from '../storage/group-commit.ts';
import { AuditError, AuditSinkError } from './audit-error.ts';
import type { Destination, FileIncidents, Note } from './destination.ts';
import { DestinationHealth } from './destination-health.ts';

/** Limits, all with defaults. */
export interface LineQueueLimits {
  /** Characters that may wait. */
  readonly waiting?: number | undefined;
  /** Milliseconds between two tries of a destination that fails. */
  readonly retryMs?: number | undefined;
  /** Milliseconds after which a destination that does not answer counts as failed. */
  readonly patienceMs?: number | undefined;
}

const WAITING = 16 * 1024 * 1024;
const RETRY = 1_000;
const WRITE_TIMEOUT_MS = 5_000;

/** Lines that go together at most. */
const BATCH = 1_000;

interface Waiting {
  readonly line: string;
  /** Whoever waits for the line; undefined when nobody does, or no more. */
  waiter: { readonly resolve: () => void; readonly reject: (error: AuditError) => void } | undefined;
  isAbandoned: boolean;
}

/** See above. */
export class LineQueue {
  readonly #destination: Destination;
  readonly #trouble: DestinationHealth;
  readonly #limits: Readonly<Record<'waiting' | 'retryMs' | 'patienceMs', number>>;
  #waiting: Waiting[] = [];
  #inBatch: Waiting[] = [];
  #characters = 0;
  readonly #deliveries = new GroupCommit({
    isDue: () => this.#pause === undefined && this.#waiting.length > 0,
    commit: () => this.#deliver(this.#takeBatch()),
    gathers: true,
  });
  #pause: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(destination: Destination, note: Note, limits: LineQueueLimits = {}) {
    this.#destination = destination;
    this.#trouble = new DestinationHealth(destination.name, note);
    this.#limits = {
      waiting: limits.waiting ?? WAITING,
      retryMs: limits.retryMs ?? RETRY,
      patienceMs: limits.patienceMs ?? WRITE_TIMEOUT_MS,
    };
  }

  /** Of the destination. */
  get name(): Destination['name'] {
    return this.#destination.name;
  }

  /** Of a destination that is a file. */
  get incidents(): FileIncidents | undefined {
    return this.#destination.incidents?.();
  }

  /** Lines that were lost so far. */
  get lost(): number {
    return this.#trouble.lost;
  }

  /** Whether the destination took the last lines that were tried. */
  get isFailing(): boolean {
    return this.#trouble.isFailing;
  }

  /** Takes a line that nobody waits for. Never throws. */
  push(line: string): void {
    if (this.#isClosed || this.#characters + line.length > this.#limits.waiting)
      this.#trouble.lose(1, this.#isClosed);
    else this.#add({ line, waiter: undefined, isAbandoned: false });
  }

  /** Resolves when the destination has the line. Rejects with {@link AuditError} when it does not take it; at once
   * while it is known to fail. */
  pushAndWait(line: string): Promise<void> {
    const refusal = this.refusal();
    if (refusal !== undefined) return Promise.reject(refusal);
    return new Promise((resolve, reject) => {
      this.#add({ line, waiter: { resolve, reject }, isAbandoned: false });
    });
  }

  /** What {@link pushAndWait} would reject with at once; undefined when it would try. */
  refusal(): AuditError | undefined {
    const isTrying = this.#pause !== undefined || this.#deliveries.running !== undefined;
    return this.#isClosed || (this.isFailing && isTrying) ? unavailable(this.#trouble.cause) : undefined;
  }

  /** Takes no more lines; resolves when those that wait are there, or were tried once more and are lost. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#pause);
    this.#pause = undefined;
    this.#deliveries.start();
    await inTime(this.#deliveries.running, this.#limits.patienceMs);
    const left = [...this.#inBatch, ...this.#waiting];
    this.#waiting = [];
    this.#abandon(left, this.#trouble.cause);
    this.#trouble.lose(left.filter(({ isAbandoned }) => !isAbandoned).length, true);
    await inTime(this.#destination.close(), this.#limits.patienceMs);
  }

  #add(entry: Waiting): void {
    this.#waiting.push(entry);
    this.#characters += entry.line.length;
    this.#deliveries.start();
  }

  #takeBatch(): readonly Waiting[] {
    const taken = this.#waiting.splice(0, BATCH);
    this.#characters -= charactersOf(taken);
    this.#inBatch = taken.filter(({ isAbandoned }) => !isAbandoned);
    return this.#inBatch;
  }

  /** Resolves to whether to go on with the next lines. */
  async #deliver(batch: readonly Waiting[]): Promise<boolean> {
    const impatience = setTimeout(() => {
      const fault = new AuditSinkError('AUDIT_NOT_TAKEN', `no answer for ${this.#limits.patienceMs} ms`);
      this.#trouble.begin(fault, this.#undelivered());
      this.#abandon([...batch, ...this.#waiting], this.#trouble.cause);
    }, this.#limits.patienceMs);
    try {
      if (batch.length > 0) await this.#destination.deliver(batch.map(({ line }) => line));
      this.#inBatch = [];
      for (const { waiter } of batch) waiter?.resolve();
      this.#trouble.end();
      return true;
    } catch (error) {
      this.#trouble.begin(error, this.#undelivered());
      this.#keep(batch, error);
      return false;
    } finally {
      clearTimeout(impatience);
    }
  }

  /** Nobody waits for these lines any more: their requests are refused. */
  #abandon(entries: readonly Waiting[], cause: unknown): void {
    for (const entry of entries) {
      if (entry.waiter === undefined) continue;
      entry.waiter.reject(unavailable(cause));
      entry.waiter = undefined;
      entry.isAbandoned = true;
    }
  }

  /** After a failure: what nobody waits for stays, in its order, for the next try. */
  #keep(batch: readonly Waiting[], cause: unknown): void {
    this.#abandon([...batch, ...this.#waiting], cause);
    this.#waiting = [...batch, ...this.#waiting].filter(({ isAbandoned }) => !isAbandoned);
    this.#inBatch = [];
    this.#characters = charactersOf(this.#waiting);
    if (this.#isClosed) return;
    this.#pause = setTimeout(() => {
      this.#pause = undefined;
      this.#deliveries.start();
    }, this.#limits.retryMs);
    this.#pause.unref();
  }

  #undelivered(): number {
    return this.#waiting.length + this.#inBatch.length;
  }
}

const charactersOf = (entries: readonly Waiting[]): number =>
  entries.reduce((sum, { line }) => sum + line.length, 0);

const unavailable = (cause: unknown): AuditError =>
  new AuditError('AUDIT_UNAVAILABLE', 'the decision cannot be recorded, so the certificate is not sent', {
    hint: 'Try again later; the cause is in the log of the server.',
    cause,
  });

/** Waits for `work`, but not longer than `ms`; a rejection of it is nobody's any more. */
async function inTime(work: Promise<void> | undefined, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work?.catch(() => undefined), late]);
  clearTimeout(timer);
}
