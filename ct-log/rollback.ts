/**
 * Finds out that a log was once larger than its commit store says: somebody put an old `commit.db` back. Signing on
 * from there would give sizes that are out in the world a second root. What is known of the past lies beside the
 * commit store: the checkpoint file (at most about a second old, never synced) and the full tiles. So this catches
 * an old `commit.db` among newer files; a directory that was restored or cloned as a whole looks right to itself.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { equalBytes } from '../core/bytes.ts';
import { CHECKPOINT_FILE } from './checkpoint-file.ts';
import type { Head } from './commit-store.ts';
import { tileContradiction } from './edge-diagnosis.ts';
import { consistencyProof, rootFrom } from './format/merkle-proof.ts';
import { verifyConsistency } from './format/merkle-verify.ts';
import { hashesFromTiles, TILE_WIDTH, tilePath } from './format/tile.ts';
import type { Vkey } from './format/vkey.ts';
import { LogError } from './log-error.ts';
import { NeededFiles } from './needed-files.ts';
import { sha256 } from './sha256.ts';
import type { TileStore } from './tile-store.ts';
import type { TreeEdge } from './tree-edge.ts';
import { TreeTiles } from './tree-tiles.ts';
import { verifyCheckpoint, type VerifiedCheckpoint } from './verify-head.ts';

/** What a log is opened from. `edge` gives the root of `head`, the committed one. */
export interface Opening {
  readonly directory: string;
  readonly keys: readonly Vkey[];
  readonly head: Head;
  readonly edge: TreeEdge;
  readonly tiles: TileStore;
}

/** To be called before anything is signed or written. Throws {@link LogError} `LOG_ROLLED_BACK` when the log was
 * larger before, or was another; `LOG_CORRUPT` when a damaged tile keeps that from being told. */
export async function refuseRollback(opening: Opening): Promise<void> {
  const { directory, keys, head, tiles } = opening;
  const signed = await readSigned(directory, keys);
  if (signed !== undefined && signed.size > head.size) {
    throw rolledBack(head, `the log had ${signed.size} before (the signed ${CHECKPOINT_FILE})`);
  }
  const beyond = await tileBeyond(head.size, async (path) => (await tiles.get(path)) !== undefined);
  if (beyond !== undefined)
    throw rolledBack(head, `the log had at least ${beyond.size} before (${beyond.path})`);
  await requireOwnTiles(opening);
  if (signed !== undefined) await requireContinued(signed, opening);
}

/** The checkpoint file, when it is one of this log. It is derived and never synced, so after a power cut it may be
 * cut off or missing: then it says nothing about the past, and is written anew soon. */
async function readSigned(directory: string, keys: readonly Vkey[]): Promise<VerifiedCheckpoint | undefined> {
  try {
    return verifyCheckpoint(await readFile(join(directory, CHECKPOINT_FILE)), keys);
  } catch {
    return undefined;
  }
}

/** The full tile of a log that was larger than `size`; `size` of the answer is what it had at least. A full tile is
 * put only after the commit that covers it, and tiles are put in order: so if any lies beyond the tree, the first
 * one does, by its data tile or, should that be gone, by its hash tile. */
export async function tileBeyond(
  size: number,
  isThere: (path: string) => Promise<boolean>,
): Promise<{ size: number; path: string } | undefined> {
  const n = Math.floor(size / TILE_WIDTH);
  for (const level of ['data', 0] as const) {
    const path = tilePath({ level, n, width: TILE_WIDTH });
    if (await isThere(path)) return { size: (n + 1) * TILE_WIDTH, path };
  }
  return undefined;
}

/** Entries that the commit store still holds may have full tiles already, of the same bytes. Others are of another
 * history when data and hash tile agree with each other; else they are damaged, and the tile writer refuses them. */
async function requireOwnTiles({ head, edge, tiles }: Opening): Promise<void> {
  for (let n = edge.firstTile; (n + 1) * TILE_WIDTH <= head.size; n++) {
    const path = tilePath({ level: 'data', n, width: TILE_WIDTH });
    const there = await tiles.get(path);
    const own = edge.fullTiles(n)[0]?.bytes;
    if (there === undefined || (own !== undefined && equalBytes(there, own))) continue;
    if ((await tileContradiction(0, n, tiles)) === undefined)
      throw rolledBack(head, `they are not those of ${path}, which is whole`);
  }
}

/** A tile that is not the tree's would give another root, too: only if our own root of that size is consistent with
 * the committed head, it is the checkpoint that is of another history. */
async function requireContinued({ size, root }: VerifiedCheckpoint, opening: Opening): Promise<void> {
  const { head, edge, tiles } = opening;
  if (size === 0) return;
  const treeTiles = new TreeTiles(edge, new NeededFiles(tiles, 0));
  const read = hashesFromTiles(sha256, head.size, (tile) => treeTiles.tile(tile));
  const own = await rootFrom(sha256, size, read);
  if (equalBytes(own, root)) return;
  const proof = await consistencyProof(sha256, size, head.size, read);
  if (verifyConsistency(sha256, { size, root: own }, head, proof)) {
    throw rolledBack(head, `they do not continue the ${size} of the signed ${CHECKPOINT_FILE}`);
  }
  throw new LogError('LOG_CORRUPT', `the tiles below entry ${size} do not follow from the committed head`, {
    hint: '`mayfly log check` names the file; restore it from a copy of the log.',
  });
}

const rolledBack = (head: Head, contradiction: string): LogError =>
  new LogError('LOG_ROLLED_BACK', `commit.db holds ${head.size} entries, but ${contradiction}`, {
    hint:
      'Never put an old commit.db back: the log would sign a second history. Put the newest one back, or start a ' +
      'new log with a new key; docs/operations.md says how, under "Backup and restore".',
  });
