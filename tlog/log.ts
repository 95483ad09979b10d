/** Opens a log of any kind for writing. */
import type { Clock, SteadyClock } from '../core/clock.ts';
import type { ClockReading } from '../core/steadied-clock.ts';
import { equalBytes, utf8 } from '../core/bytes.ts';
import { FormatError } from '../core/errors.ts';
import { basename } from 'node:path';
import { FileFault } from '../storage/file-fault.ts';
import { frozen, LiveLog, type TileLog } from './live-log.ts';
import { LogError } from './core/log-error.ts';
import { readLogFile } from './core/log-file.ts';
import { AnchoredHead } from './anchored-head.ts';
import type { LogKind, StoredLog } from './log-kind.ts';
import { CHECKPOINT_FILE } from './store/checkpoint-file.ts';
import type { CommitStore } from './store/commit-store.ts';
import { anchorAt, noteAnchor, type AnchorPlace } from './store/head-anchor.ts';
import { checkpointText, encodeCheckpoint, parseCheckpoint } from './format/checkpoint.ts';
import type { PlacedEntry, StoredEntry } from './format/entry-format.ts';
import {
  inspectLog,
  recoverAtStart,
  removeLeftovers,
  type LogSources,
  type LogStores,
  type RecoveredLog,
} from './recovery.ts';
import { ClockGuard } from './sequence/clock-guard.ts';
import { ClockRecord } from './sequence/clock-record.ts';
import { headSigner, type SignedHead } from './sequence/head-signer.ts';
import { SEQUENCER_LIMITS, type SequencerLimits } from './sequence/sequencer-limits.ts';
import { Witnesses, type WitnessSettings } from './sequence/witnesses.ts';
import { RequiredFiles } from './tree/required-files.ts';
import { TreeTiles } from './tree/tree-tiles.ts';
import { chooseStores } from './store/choose-stores.ts';
import type { TileStore } from './store/tile-store.ts';
import { machineId } from '../storage/place-identity.ts';
import { isSameLocation, judgeStore } from './store/store-location.ts';
import { judgeStorage } from './judge-storage.ts';

/** How a log is opened. */
export interface LogOptions {
  /** Made by `createLog`. */
  readonly directory: string;
  readonly clock: Clock;
  /** What the clock is held to; without it every time is trusted. */
  readonly steadyClock?: SteadyClock | undefined;
  /** What the clock of a log that is open beside it is held to: it counts before what an earlier run kept. */
  readonly clockBaseline?: ClockReading | undefined;
  /** The id of the machine; default: what the system says. */
  readonly machine?: (() => string | undefined) | undefined;
  readonly limits?: Partial<SequencerLimits> | undefined;
  /** A second place that its head is held to. */
  readonly anchor?: AnchorPlace | undefined;
  /** Who cosigns its heads; undefined: nobody. The log has to have a key of Ed25519. */
  readonly witnesses?: WitnessSettings | undefined;
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
 * crash left unwritten; the signature of the committed head, checked with the log's own keys; and asks its witnesses, where it has some. Throws {@link LogError}:
 * `LOG_MISSING`, `LOG_LOCKED`, `LOG_CORRUPT`, `LOG_ROLLED_BACK`, `LOG_COPIED`, `LOG_WRONG_KEY`, `LOG_UNSUITABLE_STORAGE`, `LOG_STORAGE`.
 */
export async function prepareLog<Entry, Receipt, Placed extends PlacedEntry, Stored extends StoredEntry>(
  kind: LogKind<Entry, Receipt, Placed, Stored>,
  options: LogOptions,
): Promise<PreparedLog<TileLog<Entry, Receipt, Stored>>> {
  const { directory } = options;
  const medium = await judgeStorage(directory);
  const chosen = await chooseStores(directory);
  const stores: LogStores = {
    commits: options.stores?.commits ?? chosen.commits.openForWriting(kind.identity),
    tiles: options.stores?.tiles ?? chosen.tiles,
  };
  const anchor = anchorOf(kind, options, stores.commits);
  const sign = headSigner(kind.identity.origin, kind.keys);
  const signHead = anchor?.before(sign) ?? sign;
  const sources: LogSources<typeof kind> = { directory, log: kind, signHead, stores, anchor };
  const close = async (): Promise<void> => {
    await stores.commits.close();
    await stores.tiles.close?.();
    await anchor?.close();
  };
  const { location } = stores.commits;
  const machine = options.machine ?? machineId;
  const inspected = await closingOnFailure(close, async () => {
    const found = await inspectLog(sources);
    return { ...found, ...judgeStore(found.state, location, machine()) };
  });
  const notes = await closingOnFailure(close, () => probed(stores.tiles));
  const { frozenAt, noted } = inspected.state;
  const { here } = inspected;
  const ended = frozenAt === undefined ? [] : [`${frozen(kind, frozenAt).message}; it is served for reading`];
  const warnings = [...medium, ...inspected.warnings, ...inspected.copied, ...ended];
  return {
    close,
    open: () =>
      closingOnFailure(close, async () => {
        await removeLeftovers(directory, kind, inspected.state);
        if (frozenAt === undefined) await noteAnchor(directory, options.anchor);
        const recovered = await recoverAtStart(sources, inspected);
        const record = new ClockRecord(directory, options.steadyClock?.boot);
        const guard = new ClockGuard(
          options.clock,
          options.steadyClock,
          options.clockBaseline ?? (await record.read()),
        );
        const limits = { ...SEQUENCER_LIMITS, ...options.limits };
        const { witnesses, head = await withKept(recovered.head, sources) } =
          (await witnessed(options.witnesses, sources, recovered)) ?? {};
        const start = { ...recovered, head };
        const unnoted = here === undefined || isSameLocation(noted, here) ? undefined : here;
        const more = { warnings, notes, witnesses, unnoted };
        return new LiveLog(sources, start, { guard, record }, limits, more);
      }),
  };
}

/** Throws {@link LogError} `LOG_UNSUITABLE_STORAGE` for a log that several processes may write: the others move its anchor, too. */
function anchorOf(
  { identity, keys }: Pick<StoredLog, 'identity' | 'keys'>,
  { directory, anchor: place }: LogOptions,
  { shared }: CommitStore,
): AnchoredHead | undefined {
  if (place === undefined) return undefined;
  if (shared !== undefined)
    throw new LogError('LOG_UNSUITABLE_STORAGE', 'a log that several processes write has no anchor', {
      hint: 'Leave mayfly.log.anchor out: the database notices another server in its place.',
    });
  const { logId } = identity;
  return new AnchoredHead(anchorAt(place, { name: basename(directory), logId }), place.mode, keys);
}

/** The head with what others than the log signed of its tree, as the checkpoint that was kept has it: nobody cosigns again what is opened without witnesses, as to be ended, or when it has ended. */
async function withKept(signed: SignedHead, { directory, log }: LogSources): Promise<SignedHead> {
  const { origin } = log.identity;
  const body = { origin, size: signed.head.size, root: signed.head.root };
  const bytes = await readLogFile(directory, CHECKPOINT_FILE);
  if (bytes === undefined) return signed;
  try {
    const kept = parseCheckpoint(bytes);
    if (!equalBytes(kept.text, utf8(checkpointText(body)))) return signed;
    // Logs for Rekor v1 sign by the name of their host, which is not their origin.
    const own = new Set([origin, ...signed.signatures.map(({ name }) => name)]);
    const signatures = [...signed.signatures, ...kept.signatures.filter(({ name }) => !own.has(name))];
    return { ...signed, signatures, checkpoint: encodeCheckpoint(body, signatures) };
  } catch (error) {
    // A damaged copy is written anew.
    if (error instanceof FormatError || error instanceof LogError) return signed;
    throw error;
  }
}

/** The witnesses of a log that goes on, each of which was asked before anything new is signed, and the head with its cosignatures. Throws {@link LogError} `LOG_ROLLED_BACK` when one has cosigned what the log does not have, and
 * `LOG_STORAGE` while a quorum is required that the head, which was committed before a crash, does not have. */
async function witnessed(
  settings: WitnessSettings | undefined,
  { directory, log, stores }: LogSources,
  { head, edge, frozenAt }: RecoveredLog,
): Promise<{ readonly witnesses: Witnesses; readonly head: SignedHead } | undefined> {
  if (settings === undefined || frozenAt !== undefined) return undefined;
  // A head that waits for its cosignatures may be overtaken by one of another writer, and would wait for ever.
  if (settings.isRequired && stores.commits.shared !== undefined)
    throw new LogError(
      'LOG_UNSUITABLE_STORAGE',
      'a quorum of witnesses cannot be required for a log that several processes write',
      {
        hint: 'Set mayfly.log.witness.required to false: heads are cosigned then, off the path of issuance.',
      },
    );
  const witnesses = new Witnesses(
    { origin: log.identity.origin, keys: log.keys },
    settings,
    stores.commits.shared !== undefined,
  );
  const hashes = new TreeTiles(log.entries, edge, new RequiredFiles(stores.tiles, 0)).hashesAt(
    head.head.size,
  );
  try {
    await witnesses.compare(head, hashes);
    // What was served before may be served while the witnesses are away.
    const kept = await readLogFile(directory, CHECKPOINT_FILE);
    if (kept !== undefined) witnesses.recall(head, kept);
    return { witnesses, head: await witnesses.opened(head, hashes) };
  } catch (error) {
    await witnesses.close();
    throw error;
  }
}

/** What the tile store was found to keep, before the first put. */
const probed = async ({ probe }: TileStore): Promise<string[]> =>
  probe === undefined ? [] : [await probe()];

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
