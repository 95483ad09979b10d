/** Opens a log of any kind for writing. */
import type { Clock, SteadyClock } from '../core/clock.ts';
import { FileFault } from '../storage/file-fault.ts';
import { frozen, LiveLog, type TileLog } from './live-log.ts';
import { LogError } from './core/log-error.ts';
import type { LogKind } from './log-kind.ts';
import type { PlacedEntry, StoredEntry } from './format/entry-format.ts';
import { inspectLog, recoverAtStart, removeLeftovers, type LogSources, type LogStores } from './recovery.ts';
import { ClockGuard } from './sequence/clock-guard.ts';
import { ClockRecord } from './sequence/clock-record.ts';
import { headSigner } from './sequence/head-signer.ts';
import { SEQUENCER_LIMITS, type SequencerLimits } from './sequence/sequencer-limits.ts';
import { chooseStores } from './store/choose-stores.ts';
import { judgeStorage } from './judge-storage.ts';

/** How a log is opened. */
export interface LogOptions {
  /** Made by `createLog`. */
  readonly directory: string;
  readonly clock: Clock;
  /** What the clock is held to; without it every time is trusted. */
  readonly steadyClock?: SteadyClock | undefined;
  readonly limits?: Partial<SequencerLimits> | undefined;
  /** Other stores than the directory's own; faults in tests. */
  readonly stores?: Partial<LogStores> | undefined;
}

/** A log that may be opened: its files were found right, and are as they were. It holds the lock. */
export interface PreparedLog<Log> {
  /** Recovers and signs. Rejects as {@link prepareLog} does, and has released the directory then. */
  open(): Promise<Log>;
  /** Releases the directory. */
  close(): Promise<void>;
}

/**
 * Opens the log in `directory` for writing, which is of that kind. In this order, and changing nothing up to here: the
 * lock; everything that is committed; that log.json, keys and commit store are of one log; the right edge, whose root must
 * be the committed one; what lies beside it and may show that the log was larger before. What is refused so far left every
 * file as it was. {@link PreparedLog.open} does the rest: what is committed, synced; companion files and full tiles that a
 * crash left unwritten; the signature of the committed head, checked with the log's own keys. Throws {@link LogError}:
 * `LOG_MISSING`, `LOG_LOCKED`, `LOG_CORRUPT`, `LOG_ROLLED_BACK`, `LOG_WRONG_KEY`, `LOG_UNSUITABLE_STORAGE`, `LOG_STORAGE`.
 */
export async function prepareLog<Entry, Receipt, Placed extends PlacedEntry, Stored extends StoredEntry>(
  kind: LogKind<Entry, Receipt, Placed, Stored>,
  options: LogOptions,
): Promise<PreparedLog<TileLog<Entry, Receipt, Stored>>> {
  const { directory } = options;
  const medium = await judgeStorage(directory);
  const chosen = chooseStores(directory);
  const stores: LogStores = {
    commits: options.stores?.commits ?? chosen.commits.openForWriting(kind.identity),
    tiles: options.stores?.tiles ?? chosen.tiles,
  };
  const signHead = headSigner(kind.identity.origin, kind.keys);
  const sources: LogSources<typeof kind> = { directory, log: kind, signHead, stores };
  const close = (): Promise<void> => stores.commits.close();
  const inspected = await closingOnFailure(close, () => inspectLog(sources));
  const { frozenAt } = inspected.state;
  const ended = frozenAt === undefined ? [] : [`${frozen(kind, frozenAt).message}; it is served for reading`];
  const warnings = [...medium, ...inspected.warnings, ...ended];
  return {
    close,
    open: () =>
      closingOnFailure(close, async () => {
        await removeLeftovers(directory, kind, inspected.state);
        const recovered = await recoverAtStart(sources, inspected);
        const record = new ClockRecord(directory, options.steadyClock?.boot);
        const guard = new ClockGuard(options.clock, options.steadyClock, await record.read());
        const limits = { ...SEQUENCER_LIMITS, ...options.limits };
        return new LiveLog(sources, recovered, { guard, record }, limits, warnings);
      }),
  };
}

/** What the file system refuses becomes an error of the log, with its file. */
async function closingOnFailure<T>(close: () => Promise<void>, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    await close();
    if (error instanceof FileFault) throw new LogError('LOG_STORAGE', error.message, { cause: error });
    throw error;
  }
}
