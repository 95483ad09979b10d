/** An open log: the one object that the rest of the program holds. */
import type { Clock, SteadyClock } from '../core/clock.ts';
import { FileFault } from '../storage/file-fault.ts';
import { ClockGuard } from './sequence/clock-guard.ts';
import { ClockRecord } from './sequence/clock-record.ts';
import type { Committed } from './committed.ts';
import { fileTileStore } from './store/file-tile-store.ts';
import type { PrecertificateEntry } from '../ct-log/format/leaf.ts';
import { headSigner, type LogSigners } from './sequence/head-signer.ts';
import { frozen, LiveLog } from './live-log.ts';
import { LogError } from './log-error.ts';
import { readIdentity, type LogIdentity } from './log-identity.ts';
import type { LogStatus } from './log-status.ts';
import type { LogReader } from '../ct-log/reader.ts';
import { inspectLog, recoverAtStart, removeLeftovers, type LogSources, type LogStores } from './recovery.ts';
import { SEQUENCER_LIMITS, type SequencerLimits } from './sequence/sequencer-limits.ts';
import { sqliteCommitStore } from './store/sqlite-commit-store.ts';
import { judgeStorage } from './judge-storage.ts';

/** How a log is opened. */
export interface OpenLog {
  /** Made by `createLog`. */
  readonly directory: string;
  readonly signers: LogSigners;
  /** The CA chain, DER, issuing CA first, root last. */
  readonly issuers: readonly Uint8Array[];
  readonly clock: Clock;
  /** What the clock is held to; without it every time is trusted. */
  readonly steadyClock?: SteadyClock | undefined;
  readonly limits?: Partial<SequencerLimits> | undefined;
  /** Other stores than the directory's own; faults in tests. */
  readonly stores?: Partial<LogStores> | undefined;
}

/** A log that this process writes; see `Sequencer.append` for what an append promises. */
export interface CtLog {
  readonly identity: LogIdentity;
  /** What works but should be known of where it lies, a sentence each. */
  readonly warnings: readonly string[];
  append(entry: PrecertificateEntry): Promise<Committed>;
  /** What `append` would reject with at once; undefined when it would try. Cheap. */
  refusal(): LogError | undefined;
  readonly reader: LogReader;
  status(): LogStatus;
  /** Finishes what waits, writes the checkpoint file, releases the directory. Idempotent. */
  close(): Promise<void>;
}

/** A log that may be opened: its files were found right, and are as they were. It holds the lock. */
export interface PreparedLog {
  /** Recovers and signs. Rejects as {@link openLog} does, and has released the directory then. */
  open(): Promise<CtLog>;
  /** Releases the directory. */
  close(): Promise<void>;
}

/**
 * Opens the log in `directory` for writing. In this order, and changing nothing up to here: the lock; everything that is
 * committed; that log.json, keys and commit store are of one log; the right edge, which must give the committed root;
 * what lies beside it and may show that the log was larger before. Then: what is committed, synced; issuers and full
 * tiles that a crash left unwritten; the signature of the committed head, checked with the log's own keys.
 * Throws {@link LogError}: `LOG_MISSING`, `LOG_LOCKED`, `LOG_CORRUPT`, `LOG_ROLLED_BACK`, `LOG_WRONG_KEY`,
 * `LOG_UNSUITABLE_STORAGE`, `LOG_STORAGE`.
 */
export async function openLog(options: OpenLog): Promise<CtLog> {
  return (await prepareLog(options)).open();
}

/** The first half of {@link openLog}: what is refused here left every file as it was. */
export async function prepareLog(options: OpenLog): Promise<PreparedLog> {
  const { directory, signers, issuers } = options;
  const identity = await readIdentity(directory);
  const medium = await judgeStorage(directory);
  const stores: LogStores = {
    commits: options.stores?.commits ?? sqliteCommitStore(directory, identity),
    tiles: options.stores?.tiles ?? fileTileStore(directory),
  };
  const signHead = headSigner(identity, signers);
  const sources: LogSources = { directory, identity, signers, signHead, issuers, stores };
  const close = (): Promise<void> => stores.commits.close();
  const inspected = await closingOnFailure(close, () => inspectLog(sources));
  const { frozenAt } = inspected.state;
  const ended = frozenAt === undefined ? [] : [`${frozen(frozenAt).message}; it is served for reading`];
  const warnings = [...medium, ...inspected.warnings, ...ended];
  return {
    close,
    open: () =>
      closingOnFailure(close, async () => {
        await removeLeftovers(directory, inspected.state);
        const recovered = await recoverAtStart(sources, inspected);
        const record = new ClockRecord(directory, options.steadyClock?.boot);
        const clock = new ClockGuard(options.clock, options.steadyClock, await record.read());
        const limits = { ...SEQUENCER_LIMITS, ...options.limits };
        return live(new LiveLog({ sources, clock, record, limits }, recovered), identity, warnings);
      }),
  };
}

const live = (log: LiveLog, identity: LogIdentity, warnings: readonly string[]): CtLog => ({
  ...{ identity, warnings, reader: log.reader },
  append: (entry) => log.append(entry),
  refusal: () => log.refusal(),
  status: () => log.status(),
  close: () => log.close(),
});

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
