import { GroupCommit } from '../storage/group-commit.ts';
import { AuditError, AuditSinkError } from './audit-error.ts';
import type { Destination, FileIncidents, Note } from './destination.ts';
import { DestinationHealth } from './destination-health.ts';

/** Limits of a {@link LineQueue}, all with defaults. */
export interface LineQueueLimits {
  /** Characters that may wait. */
  readonly waiting?: number | undefined;
  /** Milliseconds between two tries of a destination that fails. */
  readonly retryMs?: number | undefined;
  /** Milliseconds after which a destination that does not answer counts as failed. */
  readonly writeTimeoutMs?: number | undefined;
}

const WAITING = 16 * 1024 * 1024;
const RETRY = 1_000;
const WRITE_TIMEOUT_MS = 5_000;

/** Lines that go together at most. */
const BATCH = 1_000;

interface WaitingLine {
  readonly line: string;
  /** The request that waits for the line; undefined when none does. */
  waiter: { readonly resolve: () => void; readonly reject: (error: AuditError) => void } | undefined;
  /** Whether its request was refused meanwhile: then it is not tried again. */
  isAbandoned: boolean;
}

/**
 * Lines on their way to one destination. Those that wait go together, so that one flush of a disk or one segment of
 * a connection carries many.
 *
 * A line that a request waits for is tried once: it is there, or its request is refused. Any other is kept and tried
 * again until it is there. One is lost only when more lines wait than there is memory for, and that is counted and noted.
 */
export class LineQueue {
  readonly #destination: Destination;
  readonly #health: DestinationHealth;
  readonly #limits: Readonly<Record<'waiting' | 'retryMs' | 'writeTimeoutMs', number>>;
  #waiting: WaitingLine[] = [];
  #inBatch: WaitingLine[] = [];
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
    this.#health = new DestinationHealth(destination.name, note);
    this.#limits = {
      waiting: limits.waiting ?? WAITING,
      retryMs: limits.retryMs ?? RETRY,
      writeTimeoutMs: limits.writeTimeoutMs ?? WRITE_TIMEOUT_MS,
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
    return this.#health.lost;
  }

  /** Whether the destination did not take the last lines that were tried. */
  get isFailing(): boolean {
    return this.#health.isFailing;
  }

  /** Takes a line that no request waits for. Never throws. */
  push(line: string): void {
    if (this.#isClosed || this.#characters + line.length > this.#limits.waiting)
      this.#health.lose(1, this.#isClosed);
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
    return this.#isClosed || (this.isFailing && isTrying) ? unavailable(this.#health.cause) : undefined;
  }

  /** Takes no more lines; resolves when those that wait are there, or were tried once more and are lost. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#pause);
    this.#pause = undefined;
    this.#deliveries.start();
    await inTime(this.#deliveries.running, this.#limits.writeTimeoutMs);
    const left = [...this.#inBatch, ...this.#waiting];
    this.#waiting = [];
    this.#abandon(left, this.#health.cause);
    this.#health.lose(left.filter(({ isAbandoned }) => !isAbandoned).length, true);
    const closing = this.#destination.close().catch((error: unknown) => {
      // The last lines were handed over, and may still not be on the disk.
      this.#health.begin(error, 0);
    });
    await inTime(closing, this.#limits.writeTimeoutMs);
  }

  #add(entry: WaitingLine): void {
    this.#waiting.push(entry);
    this.#characters += entry.line.length;
    this.#deliveries.start();
  }

  #takeBatch(): readonly WaitingLine[] {
    const taken = this.#waiting.splice(0, BATCH);
    this.#characters -= charactersOf(taken);
    this.#inBatch = taken.filter(({ isAbandoned }) => !isAbandoned);
    return this.#inBatch;
  }

  /** Resolves to whether to go on with the next lines. */
  async #deliver(batch: readonly WaitingLine[]): Promise<boolean> {
    const timer = setTimeout(() => {
      const fault = new AuditSinkError('AUDIT_NOT_TAKEN', `no answer for ${this.#limits.writeTimeoutMs} ms`);
      this.#health.begin(fault, this.#undelivered());
      this.#abandon([...batch, ...this.#waiting], this.#health.cause);
    }, this.#limits.writeTimeoutMs);
    try {
      if (batch.length > 0) await this.#destination.deliver(batch.map(({ line }) => line));
      this.#inBatch = [];
      for (const { waiter } of batch) waiter?.resolve();
      this.#health.end();
      return true;
    } catch (error) {
      this.#health.begin(error, this.#undelivered());
      this.#keep(batch, error);
      return false;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Refuses the requests that wait for these lines. */
  #abandon(entries: readonly WaitingLine[], cause: unknown): void {
    for (const entry of entries) {
      if (entry.waiter === undefined) continue;
      entry.waiter.reject(unavailable(cause));
      entry.waiter = undefined;
      entry.isAbandoned = true;
    }
  }

  /** After a failure: lines that no request waited for stay, in their order, for the next try. */
  #keep(batch: readonly WaitingLine[], cause: unknown): void {
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

const charactersOf = (entries: readonly WaitingLine[]): number =>
  entries.reduce((sum, { line }) => sum + line.length, 0);

const unavailable = (cause: unknown): AuditError =>
  new AuditError('AUDIT_UNAVAILABLE', 'the decision cannot be recorded, so the certificate is not sent', {
    hint: 'Try again later; the cause is in the log of the server.',
    cause,
  });

/** Waits for `work`, but not longer than `ms`; a rejection of it is ignored. */
async function inTime(work: Promise<void> | undefined, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work?.catch(() => undefined), late]);
  clearTimeout(timer);
}
