/**
 * Finds out that a log was once larger than its commit store says: somebody put an old store back. Signing on
 * from there would give sizes that are out in the world a second root. What is known of the past lies beside the
 * commit store: the checkpoint file (at most about a second old) and the full tiles. So this catches an old store
 * among newer files; a directory that was restored or cloned as a whole looks right to itself.
 */
import { messageOf } from '../core/errors.ts';
import { equalBytes } from '../core/bytes.ts';
import { CHECKPOINT_FILE } from './store/checkpoint-file.ts';
import type { LoadedState } from './store/commit-store.ts';
import { consistencyProof, rootFrom } from './format/merkle-proof.ts';
import { verifyConsistency } from './format/merkle-verify.ts';
import { TILE_WIDTH, tilePath, type BundleName } from './format/tile.ts';
import { LogError } from './core/log-error.ts';
import type { StoredLog } from './log-kind.ts';
import { RequiredFiles } from './tree/required-files.ts';
import { requireOwnTiles } from './tree/own-tiles.ts';
import { sha256 } from './core/sha256.ts';
import type { TileStore } from './store/tile-store.ts';
import type { TreeEdge } from './tree/tree-edge.ts';
import { TreeTiles } from './tree/tree-tiles.ts';
import { verifyCheckpoint, type CheckpointKey, type VerifiedCheckpoint } from './tree/verify-head.ts';

/** What a log is opened from. The root of `edge` is that of the committed head. */
interface Opening {
  readonly log: Pick<StoredLog, 'entries'> & { readonly keys: readonly CheckpointKey[] };
  /** The file's bytes; undefined when it is missing. */
  readonly checkpoint: Uint8Array | undefined;
  readonly state: LoadedState;
  readonly edge: TreeEdge;
  readonly tiles: TileStore;
  /** Whether the store has a head of at least that size by now: asked after a tile or a signed head beyond `state` was found, which another writer may have put since. */
  readonly hasGrownTo?: (size: number) => Promise<boolean>;
}

/** What says how large a log is and was. */
interface Kept extends Pick<Opening, 'log' | 'state' | 'hasGrownTo'> {
  readonly tiles: Pick<TileStore, 'get'>;
}

/** To be called before anything is signed or written; resolves with what weakens the look at the past, a sentence each.
 * Throws {@link LogError} `LOG_ROLLED_BACK` when the log was larger before, or was another; `LOG_CORRUPT` when it is a
 * damaged file that makes it look so. */
export async function refuseRollback(opening: Opening): Promise<string[]> {
  const { log, checkpoint, state, edge, tiles } = opening;
  const signed = checkpoint === undefined ? undefined : signedHead(checkpoint, log.keys);
  await requireLargest(signed, opening);
  await requireOwnTiles({ format: log.entries, state, edge, tiles }, (path) =>
    rolledBack(state, `its entries are not those of ${path}, which is whole`),
  );
  if (signed === undefined) return [];
  if (typeof signed === 'string') return [signed];
  await requireContinued(signed, opening);
  return [];
}

/** To be called before anything of the log is derived from its commit store: throws {@link LogError} `LOG_ROLLED_BACK` when the signed checkpoint or a tile shows that the log was larger, and `LOG_CORRUPT` when
 * what the store lost explains that. */
export async function refuseOlder({
  checkpoint,
  ...known
}: Kept & Pick<Opening, 'checkpoint'>): Promise<void> {
  const signed = checkpoint === undefined ? undefined : signedHead(checkpoint, known.log.keys);
  await requireLargest(signed, known);
}

/** To be called before anything is written into a store that nobody has opened since it ended uncleanly: throws {@link LogError} `LOG_CORRUPT` when what it could not
 * read was more than a transaction that was never finished, for the log was larger by what else is in the store, by its checkpoint or its tiles. */
export async function refuseLoss({
  checkpoint,
  ...known
}: Kept & Pick<Opening, 'checkpoint'>): Promise<void> {
  if (known.state.loss !== undefined) await refuseOlder({ checkpoint, ...known });
}

async function requireLargest(
  signed: VerifiedCheckpoint | string | undefined,
  { log, state, tiles, hasGrownTo }: Kept,
): Promise<void> {
  const { size } = state.head;
  const { atLeast = 0 } = state.loss ?? {};
  if (atLeast > size) throw smaller(state, atLeast, state.texts.name);
  const isGrown = async (to: number): Promise<boolean> => (await hasGrownTo?.(to)) === true;
  if (typeof signed !== 'string' && signed !== undefined && signed.size > size)
    if (!(await isGrown(signed.size))) throw smaller(state, signed.size, `the signed ${CHECKPOINT_FILE}`);
  const isThere = async (path: string): Promise<boolean> => (await tiles.get(path)) !== undefined;
  const beyond = await tileBeyond(size, log.entries.bundle, isThere);
  if (beyond === undefined || (await isGrown(beyond.size))) return;
  throw smaller(state, beyond.size, beyond.path);
}

/** What a checkpoint of this log says; a sentence when it is none. Older versions did not sync the file, so after a
 * power cut it may be cut off. Then it says nothing about the past, and is written anew soon. */
function signedHead(checkpoint: Uint8Array, keys: readonly CheckpointKey[]): VerifiedCheckpoint | string {
  try {
    return verifyCheckpoint(checkpoint, keys);
  } catch (error) {
    return (
      `the file ${CHECKPOINT_FILE} is damaged (${messageOf(error)}): that the log was not longer before is seen from ` +
      'its tiles alone. It is written anew'
    );
  }
}

/** The full tile of a log that was larger than `size`; `size` of the answer is what it had at least. A full tile is
 * put only after the commit that covers it, and tiles are put in order: so if any lies beyond the tree, the first
 * one does, by its bundle of entries or, should that be gone, by its hash tile. */
export async function tileBeyond(
  size: number,
  bundle: BundleName,
  isThere: (path: string) => Promise<boolean>,
): Promise<{ size: number; path: string } | undefined> {
  const n = Math.floor(size / TILE_WIDTH);
  for (const level of [bundle, 0] as const) {
    const path = tilePath({ level, n, width: TILE_WIDTH });
    if (await isThere(path)) return { size: (n + 1) * TILE_WIDTH, path };
  }
  return undefined;
}

/** A tile that is not the tree's would give another root, too: only if our own root of that size is consistent with
 * the committed head, it is the checkpoint that is of another history. */
async function requireContinued({ size, root }: VerifiedCheckpoint, opening: Opening): Promise<void> {
  const { log, state, edge, tiles } = opening;
  const { head } = state;
  if (size === 0) return;
  const treeTiles = new TreeTiles(log.entries, edge, new RequiredFiles(tiles, 0));
  const read = treeTiles.hashesAt(head.size);
  const own = await rootFrom(sha256, size, read);
  if (equalBytes(own, root)) return;
  const proof = await consistencyProof(sha256, size, head.size, read);
  if (verifyConsistency(sha256, { size, root: own }, head, proof)) {
    throw rolledBack(state, `its entries do not continue the ${size} of the signed ${CHECKPOINT_FILE}`);
  }
  throw new LogError('LOG_CORRUPT', `the tiles below entry ${size} do not follow from the committed head`, {
    hint: 'Nothing was changed. `mayfly log check` names the file; restore it from a copy of the log.',
  });
}

/** The store holds less than there was. What it could not read explains that better than an old copy in its place. */
function smaller(state: LoadedState, before: number, where: string): LogError {
  const { head, loss } = state;
  if (loss === undefined) return rolledBack(state, `the log had at least ${before} before (${where})`);
  return new LogError(
    'LOG_CORRUPT',
    `${loss.subject} holds ${head.size} entries, but the log had at least ${before} before (${where})`,
    { hint: `Nothing was changed. ${loss.hint}` },
  );
}

const rolledBack = ({ head, texts }: LoadedState, contradiction: string): LogError =>
  new LogError('LOG_ROLLED_BACK', `${texts.source} holds ${head.size} entries, but ${contradiction}`, {
    hint: `Nothing was changed. ${texts.rollbackHint}`,
  });
