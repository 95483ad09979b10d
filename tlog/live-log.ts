/**
 * A log while it runs. Its sequencer ends with a fault of the stores, because then it is not known what is stored; the
 * stores are opened again, as at a start, and another sequencer goes on from what is there. Readers see the newest
 * signed head throughout. What contradicts the log's history ends it until an operator looks and starts it again.
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { concat, utf8 } from '../core/bytes.ts';
import { messageOf } from '../core/errors.ts';
import { rfc3339 } from '../core/clock.ts';
import { BatchSigner } from './sequence/batch-signer.ts';
import { CheckpointFile } from './store/checkpoint-file.ts';
import { DescriptionPublisher, HeadPublisher } from './head-publisher.ts';
import type { ClockReading } from '../core/steadied-clock.ts';
import type { ClockGuard } from './sequence/clock-guard.ts';
import type { ClockRecord } from './sequence/clock-record.ts';
import type { Committed, EntryClaim } from './core/committed.ts';
import { leafHashGroups } from './index/hash-group.ts';
import { HashIndex, INDEX_FILE } from './index/hash-index.ts';
import type { SignedHead, SignHead } from './sequence/head-signer.ts';
import { LogError, type LogReason } from './core/log-error.ts';
import { sha256 } from './core/sha256.ts';
import type { LogKind, StoredLog } from './log-kind.ts';
import type { PlacedEntry, StoredEntry } from './format/entry-format.ts';
import { whatIsWrong, type CopyProtection, type LogStatus } from './log-status.ts';
import { RequiredFiles } from './tree/required-files.ts';
import {
  inspectLog,
  leafHashesSince,
  recoverLog,
  requireContinuation,
  requirePossible,
  type LogSources,
  type RecoveredLog,
} from './recovery.ts';
import type { StoreLocation } from './store/store-location.ts';
import type { PublishedTree } from './published-tree.ts';
import type { SequencerLimits } from './sequence/sequencer-limits.ts';
import { Sequencer } from './sequence/sequencer.ts';
import type { TileWriter } from './sequence/tile-writer.ts';
import type { Witnesses } from './sequence/witnesses.ts';
import { TreeTiles } from './tree/tree-tiles.ts';

/** The clock of a live log, and the file that keeps what it was held to. */
interface LogClock {
  readonly guard: ClockGuard;
  readonly record: ClockRecord;
}

/** Milliseconds until the stores are opened again, the first time and at most. */
const FIRST_REOPEN = 200;
const LONGEST_REOPEN = 10_000;
/** The same for a store elsewhere: it may be back at any moment, and others go on with it. */
const LONGEST_SHARED_REOPEN = 2_000;

/** Milliseconds between two readings of the clock, and between two attempts to write tiles that failed. */
const TICK = 1_000;

/** Milliseconds after which an entry is found in the tree by every process that writes the log: some seconds would do. */
const CLAIM_MS = 600_000;

/** What does not pass by itself: a file that is wrong, or another writer. */
const FINAL: ReadonlySet<LogReason> = new Set([
  'LOG_CORRUPT',
  'LOG_ROLLED_BACK',
  'LOG_HEAD_MOVED',
  'LOG_WRONG_KEY',
  'LOG_FROZEN',
]);

const isFinal = (error: unknown): boolean => error instanceof LogError && FINAL.has(error.code);

/** A log that this process writes. Its functions are bound to it, so that it can be handed on with more beside it. */
export interface TileLog<Entry, Receipt, Stored extends StoredEntry = StoredEntry> {
  /** What works but should be known of where it lies, a sentence each. */
  readonly warnings: readonly string[];
  /** What was found out about its stores, a sentence each. */
  readonly notes: readonly string[];
  /** Adds an entry; what is promised of it, and which errors there are, stands at `Sequencer.append`. */
  readonly append: (entry: Entry, claim?: EntryClaim) => Promise<Committed<Receipt>>;
  /** What keeps several processes that write the log from logging the same entry twice, by the bytes that say which it is; undefined where one process writes it, and knows. It holds for some
   * minutes: what was logged before is found in the tree. Throws LogError `LOG_CLOCK`. */
  readonly claimOf: (identity: Uint8Array) => EntryClaim | undefined;
  /** Whether several processes may write it. */
  readonly isShared: boolean;
  /** What `append` would reject with at once; undefined when it would try. Cheap. */
  readonly refusal: () => LogError | undefined;
  readonly tree: PublishedTree<Stored>;
  readonly status: () => LogStatus;
  /** The time that a head would have now, milliseconds since the epoch. Throws {@link LogError} `LOG_CLOCK` while the clock is not trusted, or is behind the newest head. */
  readonly now: () => number;
  /** What its clock is held to, so that another log that is opened beside it trusts no other time; undefined without a steady clock. */
  readonly clockBaseline: () => ClockReading | undefined;
  /** Notes that the log is in use here from now on: copies of it are noticed by that. For a service, once it has written {@link warnings}, which say what was noted before; those who make or end a log do not call it.
   * Durable when it resolves. Rejects with {@link LogError} `LOG_STORAGE`. */
  readonly noteUse: () => Promise<void>;
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
  readonly notes: readonly string[];
  readonly tree: PublishedTree<Stored>;
  readonly isShared: boolean;
  readonly #sources: LogSources<LogKind<Entry, Receipt, Placed, Stored>>;
  readonly #clock: LogClock;
  readonly #limits: SequencerLimits;
  readonly #files: RequiredFiles;
  readonly #tiles: TreeTiles<Stored>;
  readonly #file: CheckpointFile;
  /** Where others read the tile store in the place of the service. */
  readonly #publisher: HeadPublisher | undefined;
  readonly #description: DescriptionPublisher | undefined;
  readonly #index: HashIndex;
  readonly #witnesses: Witnesses | undefined;
  /** Where the log is, unless its store says that already. */
  readonly #unnoted: StoreLocation | undefined;
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
    {
      warnings,
      notes,
      witnesses,
      unnoted,
    }: Pick<TileLog<Entry, Receipt, Stored>, 'warnings' | 'notes'> & {
      readonly witnesses: Witnesses | undefined;
      readonly unnoted: StoreLocation | undefined;
    },
  ) {
    this.#witnesses = witnesses;
    this.#unnoted = unnoted;
    this.warnings = warnings;
    this.notes = notes;
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
    const data = { path: join(directory, INDEX_FILE), logId: log.identity.logId };
    this.#index = new HashIndex(
      data,
      head.head.size,
      leafHashGroups((tile) => this.#tiles.tile(tile)),
    );
    this.#writer = recovered.writer;
    this.#sequencer = this.#sequence(recovered);
    this.#file.update(head.checkpoint);
    const { published } = stores.tiles;
    const edge = { bundle: log.entries.bundle, first: head };
    const { describe } = log;
    const end = frozenAt === undefined ? undefined : { ...head.head, frozenAt };
    this.#description =
      published === undefined || describe === undefined
        ? undefined
        : new DescriptionPublisher(published, (there) => describe(there, end));
    // No head is written of a log that has ended: it was published whole before.
    this.#publisher =
      published === undefined || frozenAt !== undefined
        ? undefined
        : new HeadPublisher(published, this.#tiles, edge, () => this.#writer.durableBelow);
    this.isShared = stores.commits.shared !== undefined;
    this.tree = {
      head: () => witnesses?.served(this.#sequencer.head) ?? this.#sequencer.head,
      ...(witnesses === undefined ? {} : { witnessed: () => witnesses.newest }),
      frozenAt,
      tiles: this.#tiles,
      files: this.#files,
      index: this.#index,
    };
    if (frozenAt === undefined) this.#anchor(head);
    clock.record.note(clock.guard.baseline);
    this.#ticker = setInterval(() => {
      clock.guard.look();
      clock.record.note(clock.guard.baseline);
      this.#sequencer.retryTiles();
      this.#sequencer.followOthers();
    }, TICK).unref();
  }

  readonly append = (entry: Entry, claim?: EntryClaim): Promise<Committed<Receipt>> =>
    this.#frozen === undefined ? this.#sequencer.append(entry, claim) : Promise.reject(this.#frozen);

  readonly claimOf = (identity: Uint8Array): EntryClaim | undefined => {
    const { log } = this.#sources;
    if (!this.isShared) return undefined;
    const key = sha256(concat([utf8('entry\0'), log.identity.logId, identity]));
    return { key, expires: Math.ceil(this.#clock.guard.now()) + CLAIM_MS, isOfEntry: true };
  };

  readonly refusal = (): LogError | undefined => this.#frozen ?? this.#sequencer.refusal();

  readonly status = (): LogStatus => {
    const { head } = this.#sequencer.head;
    const { stores, anchor } = this.#sources;
    const optional = {
      frozenAt: this.#frozenAt,
      lastStop: this.#lastStop,
      blocked: this.#isFinal ? this.#failure() : undefined,
      failed: this.#failure(),
      signingFailure: this.#sequencer.signingFailure,
      clockFailure: this.#sequencer.clockRefusal()?.message,
      tileFailure: this.#writer.failure,
      indexFailure: this.#index.failure,
      witnesses: this.#witnesses?.status(),
      checkpointFailure: this.#file.failure ?? this.#publisher?.failure,
      descriptionFailure: this.#description?.failure,
      anchor: anchor?.status,
      anchorFailure: anchor?.failure,
      unreadable: this.#files.unreadable,
      storeGrowth: stores.commits.growth,
    };
    return {
      ...head,
      stops: this.#stops,
      walBytes: stores.commits.walBytes ?? 0,
      queued: this.#sequencer.queued,
      tileBacklog: this.#writer.backlog(head.size),
      copies: this.#copies(),
      ...whatIsWrong(optional),
    };
  };

  readonly now = (): number => this.#sequencer.now();

  readonly clockBaseline = (): ClockReading | undefined => this.#clock.guard.baseline;

  readonly noteUse = async (): Promise<void> => {
    if (this.#unnoted !== undefined) await this.#sources.stores.commits.location?.note(this.#unnoted);
  };

  #copies(): CopyProtection {
    const { stores, anchor } = this.#sources;
    if (stores.commits.shared !== undefined) return 'database';
    if (this.#witnesses?.isRequired === true) return 'synchronous';
    return anchor?.status.mode ?? (this.#witnesses === undefined ? 'accidents' : 'asynchronous');
  }

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
      await this.#witnesses?.close();
      this.#files.close();
      await this.#index.close();
      await this.#file.close();
      await this.#publisher?.close();
      await this.#description?.close();
      await this.#sources.anchor?.close();
      await this.#clock.record.idle();
      await this.#sources.stores.commits.close();
      await this.#sources.stores.tiles.close?.();
    })();
    return this.#closing;
  };

  #sequence(recovered: RecoveredLog): Sequencer<Entry, Receipt, Placed> {
    const { log, signHead, stores } = this.#sources;
    const limits = this.#limits;
    const signer = new BatchSigner<Placed, Receipt>(
      this.#withWitnesses(signHead),
      (entries, next, signing) => log.receipts(entries, next, signing, this.#tiles.hashesAt(next.size)),
      limits.signingTimeoutMs,
      () => log.keyRefusal(),
    );
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

  /** Where a quorum is required, no head is signed without it: neither is it served, nor is there a receipt under it. */
  #withWitnesses(signHead: SignHead): SignHead {
    const witnesses = this.#witnesses;
    if (witnesses?.isRequired !== true) return signHead;
    return async (head) => witnesses.cosigned(await signHead(head), this.#tiles.hashesAt(head.size));
  }

  #published(signed: SignedHead, leafHashes: readonly Uint8Array[]): void {
    const { checkpoint, head } = signed;
    const { size } = head;
    for (const [i, hash] of leafHashes.entries()) this.#index.add(hash, size - leafHashes.length + i);
    this.#file.update(checkpoint);
    this.#publisher?.update(signed);
    this.#anchor(signed);
    if (this.#witnesses?.isRequired === false) void this.#offer(this.#witnesses, signed);
  }

  /** Another writer that moves the anchor goes on with this log, and nothing is to be signed here any more. */
  #anchor(signed: SignedHead): void {
    this.#sources.anchor?.update(signed, (contradiction) => {
      this.#sequencer.halt(contradiction);
    });
  }

  /** Off the path of issuance. A witness that knows more than the log ends it. */
  async #offer(witnesses: Witnesses, signed: SignedHead): Promise<void> {
    try {
      await witnesses.offer(signed, this.#tiles.hashesAt(signed.head.size));
    } catch (error) {
      if (error instanceof LogError) this.#sequencer.halt(error);
      return;
    }
    const { newest } = witnesses;
    if (newest?.head.size !== this.#sequencer.head.head.size) return;
    this.#file.update(newest.checkpoint);
    this.#publisher?.update(newest);
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
    const isShared = this.#sources.stores.commits.shared !== undefined;
    const longest = isShared ? LONGEST_SHARED_REOPEN : LONGEST_REOPEN;
    for (let wait = FIRST_REOPEN; ; wait = Math.min(2 * wait, longest)) {
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
    if (sources.stores.commits.shared === undefined)
      requirePossible(inspected.state, this.#sequencer.possibleHeads);
    else await requireContinuation(this.#sequencer.head.head, inspected, sources);
    const recovered = await recoverLog(sources, inspected);
    const { edge, head } = recovered;
    const hashes = new TreeTiles(sources.log.entries, edge, new RequiredFiles(sources.stores.tiles, 0));
    const opened = await this.#witnesses?.opened(head, hashes.hashesAt(head.head.size));
    return { ...recovered, head: opened ?? head };
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
