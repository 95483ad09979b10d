import { messageOf } from '../core/errors.ts';
import type { EndedLog } from '../ct-log/end-log.ts';
import type { CtLogIdentity } from '../ct-log/log-identity.ts';
import { openReadOnlyCtLog, type ReadOnlyCtLog } from '../ct-log/read-only-log.ts';
import type { CertificateLogPaths } from '../instance/data-paths.ts';
import type { LogState } from '../server/log/other-logs.ts';

/** Milliseconds for which a log that cannot be opened is not opened again. */
const FAILURE_MEMORY = 10_000;

/** Milliseconds for which the state of a log that has not ended is believed. */
const FRESH = 2_000;

/** What a log needs to be read, and to be judged. */
export interface OtherLogContext {
  /** The CA chain, DER, issuing CA first, root last. */
  readonly chain: readonly Uint8Array[];
  /** Milliseconds since the epoch: when the log in use was made. Logs that are older were in use before it. */
  readonly currentBirth: () => number;
}

/** One log beside the one in use: opened when somebody reads it, with public keys alone. */
export class OtherLog {
  readonly paths: CertificateLogPaths;
  readonly #context: OtherLogContext;
  #known: { readonly identity: CtLogIdentity; readonly size: number; readonly frozenAt?: number } | undefined;
  #opened: ReadOnlyCtLog | undefined;
  #openedAt = 0;
  #usedAt = 0;
  #opening: Promise<ReadOnlyCtLog> | undefined;
  #failure: { readonly error: unknown; readonly at: number } | undefined;
  #ending: Promise<void> | undefined;
  /** Why it could not be ended, the last time. */
  endFailure: string | undefined;

  /** `known`: the log as it was in use in this process until now. */
  constructor(
    paths: CertificateLogPaths,
    context: OtherLogContext,
    known?: { readonly identity: CtLogIdentity; readonly size: number },
  ) {
    this.paths = paths;
    this.#context = context;
    this.#known = known;
  }

  /** Who it is; undefined when it was never read. */
  get identity(): CtLogIdentity | undefined {
    return this.#known?.identity;
  }

  /** Entries under its head, as it was read last. */
  get size(): number | undefined {
    return this.#known?.size;
  }

  /** What it is, as it was read last; undefined when it was never read. */
  get state(): Exclude<LogState, 'current'> | undefined {
    if (this.#known === undefined) return undefined;
    if (this.#known.frozenAt !== undefined) return 'frozen';
    return this.#known.identity.createdAt < this.#context.currentBirth() ? 'ending' : 'staged';
  }

  /** Why it cannot be read as a whole; undefined when nothing is known to be wrong. */
  get failure(): string | undefined {
    return this.#failure === undefined ? this.#opened?.unreadable()?.first : messageOf(this.#failure.error);
  }

  get isOpen(): boolean {
    return this.#opened !== undefined;
  }

  /** When it was read last, on the monotonic clock, in milliseconds. */
  get usedAt(): number {
    return this.#usedAt;
  }

  /** The log for reading. Rejects with LogError when it is damaged; that is remembered for some seconds. */
  async open(): Promise<ReadOnlyCtLog> {
    await this.#ending;
    const now = performance.now();
    this.#usedAt = now;
    if (this.#opened !== undefined && (this.state === 'frozen' || now - this.#openedAt < FRESH))
      return this.#opened;
    if (this.#failure !== undefined && now - this.#failure.at < FAILURE_MEMORY) throw this.#failure.error;
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  /** Notes its state again, unless it has ended and was found right, or is being ended, which may take long: then what is known of it counts. Never rejects. */
  async look(): Promise<void> {
    if (this.#ending !== undefined && this.#known !== undefined) return;
    if (this.state === 'frozen' && this.#failure === undefined) return;
    await this.open().catch(() => undefined);
  }

  /** Runs what ends it, once at a time; reads of its files wait for it. Never rejects. */
  async end(work: () => Promise<EndedLog>): Promise<void> {
    // Nobody reads it meanwhile, not even in the turn in which it ceases to be in use.
    this.#ending ??= this.close()
      .then(work)
      .then(
        ({ identity, head: { size }, frozenAt }) => {
          this.#known = { identity, size, frozenAt };
          this.endFailure = undefined;
        },
        (error: unknown) => {
          this.endFailure = messageOf(error);
        },
      )
      .finally(() => {
        this.#ending = undefined;
      });
    await this.#ending;
    await this.look();
  }

  /** Forgets what is open: the next read opens it again. */
  async close(): Promise<void> {
    await this.#opening?.catch(() => undefined);
    const opened = this.#opened;
    this.#opened = undefined;
    await opened?.close();
  }

  async #open(): Promise<ReadOnlyCtLog> {
    try {
      const opened = await openReadOnlyCtLog(this.paths.directory, this.#context.chain);
      const former = this.#opened;
      this.#opened = opened;
      this.#openedAt = performance.now();
      const { identity, size, frozenAt } = opened;
      this.#known = { identity, size, ...(frozenAt === undefined ? {} : { frozenAt }) };
      this.#failure = undefined;
      await former?.close();
      return opened;
    } catch (error) {
      this.#failure = { error, at: performance.now() };
      throw error;
    }
  }
}
