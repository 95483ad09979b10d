/**
 * How a log is opened, at the start and after a fault, in two halves. The first looks at everything and changes nothing:
 * whatever is refused stays as it was, so that the right file can still be put back. The second makes durable what was
 * found, writes what a crash left unwritten, and signs.
 */
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { AnchoredHead, HasRoot } from './anchored-head.ts';
import { rootFrom } from './format/merkle-proof.ts';
import { equalBytes } from '../core/bytes.ts';
import { removeTemporary } from '../storage/durable-file.ts';
import { CHECKPOINT_FILE } from './store/checkpoint-file.ts';
import type { CommitStore, Head, LoadedState } from './store/commit-store.ts';
import { sha256 } from './core/sha256.ts';
import { HASH_LENGTH } from './format/merkle.ts';
import { consistencyProof } from './format/merkle-proof.ts';
import { verifyConsistency } from './format/merkle-verify.ts';
import { TILE_WIDTH, tilePath } from './format/tile.ts';
import type { SignedHead, SignHead } from './sequence/head-signer.ts';
import { LogError } from './core/log-error.ts';
import type { IdentityEvidence, StoredLog } from './log-kind.ts';
import type { EntryFormat } from './format/entry-format.ts';
import { readLogFile } from './core/log-file.ts';
import { RequiredFiles } from './tree/required-files.ts';
import { adoptBatches } from './tree/added-batches.ts';
import { rebuildEdge } from './tree/rebuild-edge.ts';
import { requireOneLog, requireUnedited } from './require-identity.ts';
import { refuseOlder, refuseRollback } from './rollback.ts';
import type { TileStore } from './store/tile-store.ts';
import { TileWriter } from './sequence/tile-writer.ts';
import type { TreeEdge } from './tree/tree-edge.ts';
import { TreeTiles } from './tree/tree-tiles.ts';
import { requireCheckpointOf } from './tree/verify-head.ts';

/** Where a log keeps what it holds. */
export interface LogStores {
  readonly commits: CommitStore;
  readonly tiles: TileStore;
}

/** What a log is opened from. */
export interface LogSources<Log extends StoredLog = StoredLog> {
  readonly directory: string;
  readonly log: Log;
  readonly signHead: SignHead;
  readonly stores: LogStores;
  /** The second place that its head is held to. */
  readonly anchor?: AnchoredHead | undefined;
}

/** A log that was found right; nothing was changed. */
interface InspectedLog {
  readonly state: LoadedState;
  readonly edge: TreeEdge;
  /** What should be known, a sentence each. */
  readonly warnings: readonly string[];
}

/** A log that can be written. */
export interface RecoveredLog {
  readonly edge: TreeEdge;
  readonly writer: TileWriter;
  readonly head: SignedHead;
  /** When the log ended, milliseconds since the epoch; undefined while it goes on. */
  readonly frozenAt: number | undefined;
}

/** The first half: takes the stores, and holds them to one log with one history. Throws {@link LogError}. */
export async function inspectLog(sources: LogSources): Promise<InspectedLog> {
  return inspect(sources, await sources.stores.commits.load());
}

/** Whether others have brought the log to at least `size` since it was loaded with the head `known`. That their entries continue those of `known` is shown before anything is signed. */
async function hasGrown({ shared }: CommitStore, known: Head, size: number): Promise<boolean> {
  if (shared === undefined) return false;
  try {
    const newer = await shared.newerThan(known);
    return newer !== undefined && newer.head.size >= size;
  } catch (error) {
    // More than can be read at once was added behind it.
    if (error instanceof LogError && error.code === 'LOG_STALE') return true;
    throw error;
  }
}

async function inspect(sources: LogSources, state: LoadedState): Promise<InspectedLog> {
  const { directory, log, stores } = sources;
  requireOneLog(log, state);
  const checkpoint = await readLogFile(directory, CHECKPOINT_FILE);
  const edge = await rebuildEdge(log.entries, state, stores.tiles);
  const isBound = state.identity.bound !== undefined;
  const unconfirmed = isBound
    ? []
    : requireUnedited(log, await evidenceOf(log.entries, state, checkpoint, stores.tiles));
  const hasGrownTo = (size: number): Promise<boolean> => hasGrown(stores.commits, state.head, size);
  const opening = { log, state, edge, tiles: stores.tiles, checkpoint, hasGrownTo };
  const warnings = [...unconfirmed, ...(await refuseRollback(opening))];
  // What others read may be newer than all that lies here: of a database that was replaced, and of a machine that was away meanwhile.
  const published = await stores.tiles.published?.checkpoint();
  if (published !== undefined) await refuseOlder({ ...opening, checkpoint: published });
  if (sources.anchor !== undefined)
    warnings.push(...(await sources.anchor.inspect(state.head, rootsOf(log.entries, edge, stores.tiles))));
  await log.companions?.inspect(stores.tiles);
  return { state, edge, warnings };
}

/** Whether the log has a root at a size that it has reached, now and when it has grown. */
function rootsOf(format: EntryFormat, edge: TreeEdge, tiles: TileStore): HasRoot {
  const tree = new TreeTiles(format, edge, new RequiredFiles(tiles, 0));
  return async ({ size, root }) =>
    size === 0 || equalBytes(await rootFrom(sha256, size, tree.hashesAt(size)), root);
}

/** The newest bundle has an entry when the store holds none: the log is as large as its full tiles. */
async function evidenceOf(
  { bundle }: EntryFormat,
  { head: { size }, entries, texts }: LoadedState,
  checkpoint: Uint8Array | undefined,
  tiles: TileStore,
): Promise<IdentityEvidence> {
  const newest = tilePath({ level: bundle, n: Math.ceil(size / TILE_WIDTH) - 1, width: TILE_WIDTH });
  const entry = entries[0] ?? (size === 0 ? undefined : await tiles.get(newest));
  return { checkpoint, entry, size, storeName: texts.name };
}

/** The second half: everything that is committed, synced; companion files and full tiles that a crash left unwritten; the
 * signature of the committed head, checked with the log's own keys. Throws {@link LogError}, and the key's own error. */
export async function recoverLog(sources: LogSources, { state, edge }: InspectedLog): Promise<RecoveredLog> {
  const { log, stores, signHead } = sources;
  const added = await stores.commits.recover();
  if (added !== undefined) adoptBatches(edge, log.entries, added);
  const committed = added?.head ?? state.head;
  await log.companions?.store(stores.tiles);
  const writer = new TileWriter(edge, stores.tiles);
  await writer.write(committed.size);
  if (writer.contradiction !== undefined) throw writer.contradiction;
  if (writer.failure !== undefined)
    throw new LogError('LOG_STORAGE', `a full tile cannot be written: ${writer.failure}`);
  const head = await signHead(committed);
  requireCheckpointOf(committed, head.checkpoint, log.keys);
  return { edge, writer, head, frozenAt: state.frozenAt };
}

/** How often the store is judged again when it shows another head once it is open. */
const JUDGED_AGAIN = 3;

/** {@link recoverLog} at a start, when no head was signed yet that what the store holds could contradict: what an
 * interrupted commit left is judged as the store shows it ({@link CommitStore.recover}). */
export async function recoverAtStart(sources: LogSources, inspected: InspectedLog): Promise<RecoveredLog> {
  let judged = inspected;
  for (let left = JUDGED_AGAIN; ; left--) {
    try {
      return await recoverLog(sources, judged);
    } catch (error) {
      if (!(error instanceof LogError && error.code === 'LOG_STALE') || left === 0) throw error;
      judged = await inspectLog(sources);
    }
  }
}

/** After a fault, the store holds the newest head that was signed or the one whose commit failed: `possible`. Another
 * one was written by somebody else, and what was signed here must not be signed again. Throws `LOG_HEAD_MOVED`. */
export function requirePossible({ head }: LoadedState, possible: readonly Head[]): void {
  const isOne = possible.some(
    ({ size, root, timestamp }) =>
      size === head.size && timestamp === head.timestamp && Buffer.compare(root, head.root) === 0,
  );
  if (isOne) return;
  throw new LogError(
    'LOG_HEAD_MOVED',
    `another writer has changed the log: its head has size ${head.size} now`,
    {
      hint: 'Two servers must not share a log. Stop both, find out which one is to stay, and start that one alone.',
    },
  );
}

/** Where others write, too, the store may hold any head that continues the newest one that is `known` here. Throws `LOG_ROLLED_BACK` when it does not: two histories exist. */
export async function requireContinuation(
  known: Head,
  { state: { head, texts }, edge }: InspectedLog,
  { log, stores }: LogSources,
): Promise<void> {
  const hashes = new TreeTiles(log.entries, edge, new RequiredFiles(stores.tiles, 0)).hashesAt(head.size);
  const isIt =
    known.size === head.size
      ? equalBytes(known.root, head.root)
      : known.size < head.size &&
        (known.size === 0 ||
          verifyConsistency(
            sha256,
            known,
            head,
            await consistencyProof(sha256, known.size, head.size, hashes),
          ));
  if (isIt) return;
  throw new LogError(
    'LOG_ROLLED_BACK',
    `${texts.name} holds ${head.size} entries, which do not continue the ${known.size} that were signed`,
    { hint: `Nothing is signed. ${texts.rollbackHint}` },
  );
}

/** Removes the temporary files that a crash left where this log writes. Only at the start, under the lock, and before
 * anything is written: they are in the directories of the tiles at the edge, of the companion files and of the log itself. */
export async function removeLeftovers(
  directory: string,
  { entries, companions }: StoredLog,
  { head, firstEntry }: LoadedState,
): Promise<void> {
  const places = new Set([
    directory,
    ...(companions === undefined ? [] : [join(directory, companions.folder)]),
  ]);
  for (const size of [firstEntry, head.size])
    for (const level of [entries.bundle, 0, 1, 2, 3, 4, 5] as const) {
      const n = Math.floor(size / TILE_WIDTH ** (typeof level === 'number' ? level + 1 : 1));
      for (const at of [n, Math.max(0, n - 1)])
        places.add(dirname(join(directory, tilePath({ level, n: at, width: TILE_WIDTH }))));
    }
  // What cannot be removed, as a file of another user, is in nobody's way.
  const ignore = (): undefined => undefined;
  for (const place of places) await removeTemporary(place).catch(ignore);
  // Older versions wrote the checkpoint under this name.
  await rm(join(directory, `${CHECKPOINT_FILE}.tmp`), { force: true }).catch(ignore);
}

/** The leaf hashes of the entries from `size` on: what was committed although the commit was reported as failed. */
export async function leafHashesSince(
  size: number,
  { edge, head: { head } }: RecoveredLog,
  { log, stores }: LogSources,
): Promise<Uint8Array[]> {
  const tiles = new TreeTiles(log.entries, edge, new RequiredFiles(stores.tiles, 0));
  const out: Uint8Array[] = [];
  for (let at = size; at < head.size; at++) {
    const n = Math.floor(at / TILE_WIDTH);
    const width = Math.min(TILE_WIDTH, head.size - n * TILE_WIDTH);
    const place = (at - n * TILE_WIDTH) * HASH_LENGTH;
    out.push((await tiles.tile({ level: 0, n, width })).subarray(place, place + HASH_LENGTH));
  }
  return out;
}
