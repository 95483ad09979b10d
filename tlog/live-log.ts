/**
 * A log while it runs. Its sequencer ends with a fault of the stores, because then it is not known what is stored; the
 * stores are opened again, as at a start, and another sequencer goes on from what is there. Readers see the newest
 * signed head throughout. What contradicts the log's history ends it until an operator looks and starts it again.
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../core/errors.ts';
import { rfc3339 } from '../core/clock.ts';
import { BatchSigner } from './sequence/batch-signer.ts';
import { CheckpointFile } from './store/checkpoint-file.ts';
import type { ClockGuard } from './sequence/clock-guard.ts';
import type { ClockRecord } from './sequence/clock-record.ts';
import type { Committed } from './core/committed.ts';
import { HashIndex } from './index/hash-index.ts';
import type { SignedHead } from './sequence/head-signer.ts';
import { LogError, type LogReason } from './core/log-error.ts';
import type { LogKind, StoredLog } from './log-kind.ts';
import type { PlacedEntry, StoredEntry } from './format/entry-format.ts';
import { whatIsWrong, type LogStatus } from './log-status.ts';
import { RequiredFiles } from './tree/required-files.ts';
import {
  inspectLog,
  leafHashesSince,
  recoverLog,
  requirePossible,
  type LogSources,
  type RecoveredLog,
} from './recovery.ts';
import type { PublishedTree } from './published-tree.ts';
import type { SequencerLimits } from './sequence/sequencer-limits.ts';
import { Sequencer } from './sequence/sequencer.ts';
import type { TileWriter } from './sequence/tile-writer.ts';
import { TreeTiles } from './tree/tree-tiles.ts';

/** The clock of a live log, and the file that keeps what it was held to. */
interface LogClock {
  readonly guard: ClockGuard;
  readonly record: ClockRecord;
}

/** Milliseconds until the stores are opened again, the first time and at most. */
const FIRST_REOPEN = 200;
const LONGEST_REOPEN = 10_000;

/** Milliseconds between two readings of the clock, and between two attempts to write tiles that failed. */
const TICK = 1_000;

/** What does not pass by itself: a file that is wrong, or another writer. */
const FINAL: ReadonlySet<LogReason> = new Set([
  'LOG_CORRUPT',
  'LOG_ROLLED_BACK',
  'LOG_HEAD_MOVED',
  'LOG_WRONG_KEY',
]);

const isFinal = (error: unknown): boolean => error instanceof LogError && FINAL.has(error.code);

/** A log that this process writes. Its functions are bound to it, so that it can be handed on with more beside it. */
export interface TileLog<Entry, Receipt, Stored extends StoredEntry = StoredEntry> {
  /** What works but should be known of where it lies, a sentence each. */
  readonly warnings: readonly string[];
  /** Adds an entry; what is promised of it, and which errors there are, stands at `Sequencer.append`. */
  readonly append: (entry: Entry) => Promise<Committed<Receipt>>;
  /** What `append` would reject with at once; undefined when it would try. Cheap. */
  readonly refusal: () => LogError | undefined;
  readonly tree: PublishedTree<Stored>;
  readonly status: () => LogStatus;
  /** Finishes what waits, writes the checkpoint file, releases the directory. Idempotent. */
  readonly close: () => Promise<void>;
}

/** An open log. */
export class LiveLog<
  Entry,
  Receipt,
  Placed extends PlacedEntry,
  Stored extends StoredEntry,
> implements TileLog<Entry, Receipt, Stored> {
  readonly warnings: readonly string[];
  readonly tree: PublishedTree<Stored>;
  readonly #sources: LogSources<LogKind<Entry, Receipt, Placed, Stored>>;
  readonly #clock: LogClock;
  readonly #limits: SequencerLimits;
  readonly #files: RequiredFiles;
  readonly #tiles: TreeTiles<Stored>;
  readonly #file: CheckpointFile;
  readonly #index: HashIndex;
  /** What is rejected with when the log has ended. */
  readonly #frozen: LogError | undefined;
  readonly #frozenAt: number | undefined;
  readonly #abort = new AbortController();
  readonly #ticker: NodeJS.Timeout;
  #writer: TileWriter;
  #sequencer: Sequencer<Entry, Receipt, Placed>;
  /** Why the stores could not be opened again, the last time. */
  #reopenFailure: string | undefined;
  #stops = 0;
  #lastStop: string | undefined;
  /** Whether an operator has to look before the log goes on. */
  #isFinal = false;
  #reopening: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(
    sources: LogSources<LogKind<Entry, Receipt, Placed, Stored>>,
    recovered: RecoveredLog,
    clock: LogClock,
    limits: SequencerLimits,
    warnings: readonly string[],
  ) {
    this.warnings = warnings;
    const { directory, log, stores } = sources;
    const { head, frozenAt } = recovered;
    this.#frozen = frozenAt === undefined ? undefined : frozen(log, frozenAt);
    this.#frozenAt = frozenAt;
    this.#sources = sources;
    this.#clock = clock;
    this.#limits = limits;
    this.#files = new RequiredFiles(stores.tiles);
    this.#tiles = new TreeTiles(log.entries, recovered.edge, this.#files);
    this.#file = new CheckpointFile(directory, head.checkpoint);
    const data = { path: join(directory, 'index.db'), logId: log.identity.logId };
    this.#index = new HashIndex(data, head.head.size, (tile) => this.#tiles.tile(tile));
    this.#writer = recovered.writer;
    this.#sequencer = this.#sequence(recovered);
    this.#file.update(head.checkpoint);
    this.tree = {
      head: () => this.#sequencer.head,
      frozenAt,
      tiles: this.#tiles,
      files: this.#files,
      index: this.#index,
    };
    clock.record.note(clock.guard.baseline);
    this.#ticker = setInterval(() => {
      clock.guard.look();
      clock.record.note(clock.guard.baseline);
      this.#sequencer.retryTiles();
    }, TICK).unref();
  }

  readonly append = (entry: Entry): Promise<Committed<Receipt>> =>
    this.#frozen === undefined ? this.#sequencer.append(entry) : Promise.reject(this.#frozen);

  readonly refusal = (): LogError | undefined => this.#frozen ?? this.#sequencer.refusal();

  readonly status = (): LogStatus => {
    const { head } = this.#sequencer.head;
    const { stores } = this.#sources;
    const optional = {
      frozenAt: this.#frozenAt,
      lastStop: this.#lastStop,
      blocked: this.#isFinal ? this.#failure() : undefined,
      failed: this.#failure(),
      signingFailure: this.#sequencer.signingFailure,
      clockFailure: this.#sequencer.clockRefusal()?.message,
      tileFailure: this.#writer.failure,
      indexFailure: this.#index.failure,
      checkpointFailure: this.#file.failure,
      unreadable: this.#files.unreadable,
      storeGrowth: stores.commits.growth,
    };
    return {
      ...head,
      stops: this.#stops,
      walBytes: stores.commits.walBytes ?? 0,
      queued: this.#sequencer.queued,
      tileBacklog: this.#writer.backlog(head.size),
      ...whatIsWrong(optional),
    };
  };

  #failure(): string | undefined {
    const { failure } = this.#sequencer;
    if (failure === undefined) return undefined;
    const again = this.#reopenFailure;
    return again === undefined || again === failure ? failure : `${failure}; opening it again: ${again}`;
  }

  readonly close = (): Promise<void> => {
    this.#closing ??= (async () => {
      this.#abort.abort();
      clearInterval(this.#ticker);
      await this.#reopening;
      await this.#sequencer.close();
      this.#files.close();
      await this.#index.close();
      await this.#file.close();
      await this.#clock.record.idle();
      await this.#sources.stores.commits.close();
    })();
    return this.#closing;
  };

  #sequence(recovered: RecoveredLog): Sequencer<Entry, Receipt, Placed> {
    const { log, signHead, stores } = this.#sources;
    const limits = this.#limits;
    const receipts = (entries: readonly Placed[], head: SignedHead): Promise<readonly Receipt[]> =>
      log.receipts(entries, head, this.#tiles.hashesAt(head.head.size));
    const signer = new BatchSigner(signHead, receipts, limits.signingTimeoutMs);
    const clock = (): number => this.#clock.guard.now();
    const options = { store: stores.commits, signer, limits, clock };
    return new Sequencer(log, recovered, options, {
      published: (signed, leafHashes) => {
        this.#published(signed, leafHashes);
      },
      stopped: (cause) => {
        this.#stopped(cause);
      },
    });
  }

  #published({ checkpoint, head: { size } }: SignedHead, leafHashes: readonly Uint8Array[]): void {
    for (const [i, hash] of leafHashes.entries()) this.#index.add(hash, size - leafHashes.length + i);
    this.#file.update(checkpoint);
  }

  #stopped(cause: unknown): void {
    this.#stops++;
    this.#lastStop = messageOf(cause);
    this.#isFinal = isFinal(cause);
    if (!this.#isFinal) this.#reopening ??= this.#reopen();
  }

  /** Until it works, or shows what does not pass by itself. */
  async #reopen(): Promise<void> {
    const { signal } = this.#abort;
    for (let wait = FIRST_REOPEN; ; wait = Math.min(2 * wait, LONGEST_REOPEN)) {
      await delay(wait, undefined, { ref: false, signal }).catch(() => undefined);
      if (signal.aborted) return;
      try {
        await this.#goOn(await this.#openAgain());
        return;
      } catch (error) {
        this.#reopenFailure = messageOf(error);
        this.#isFinal = isFinal(error);
        if (this.#isFinal) return;
      }
    }
  }

  async #openAgain(): Promise<RecoveredLog> {
    // Full tiles of the old edge may be on their way; they are those of a published head, and must not be written twice
    // at a time.
    await this.#writer.idle();
    const sources = this.#sources;
    const inspected = await inspectLog(sources);
    requirePossible(inspected.state, this.#sequencer.possibleHeads);
    return recoverLog(sources, inspected);
  }

  /** Puts what was recovered in the place of what stopped. */
  async #goOn(recovered: RecoveredLog): Promise<void> {
    const added = await leafHashesSince(this.#sequencer.head.head.size, recovered, this.#sources);
    this.#tiles.follow(recovered.edge);
    this.#writer = recovered.writer;
    this.#sequencer = this.#sequence(recovered);
    this.#reopenFailure = undefined;
    this.#reopening = undefined;
    this.#published(recovered.head, added);
  }
}

/** What a log that has ended rejects entries with. */
export const frozen = (
  { knownAs, endNotice }: Pick<StoredLog, 'knownAs' | 'endNotice'>,
  at: number,
): LogError =>
  new LogError('LOG_FROZEN', `${knownAs} ended at ${rfc3339(at)}: ${endNotice}`, {
    hint: 'Ask the operator which service has taken its place.',
  });
