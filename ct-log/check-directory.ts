import { equalBytes } from '../core/bytes.ts';
import { FormatError } from '../core/errors.ts';
import { checkLog, type CheckOptions, type CheckResult } from './check.ts';
import { CheckFailure } from './check-failure.ts';
import { CHECKPOINT_FILE } from '../tlog/store/checkpoint-file.ts';
import type { DirectorySource } from './directory-source.ts';
import { findDerivedFault } from '../tlog/derived-faults.ts';
import { rootFrom } from '../tlog/format/merkle-proof.ts';
import { hashesFromTiles, tilePath, type Tile } from '../tlog/format/tile.ts';
import { LogError, LogReadError } from '../tlog/core/log-error.ts';
import { logKeys } from './log-keys.ts';
import { tileBeyond } from '../tlog/rollback.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import {
  requireEverySignature,
  verifyCheckpoint,
  type VerifiedCheckpoint,
} from '../tlog/tree/verify-head.ts';

/**
 * The full check of a directory: the tree against the committed head ({@link checkLog}); the entries that commit store
 * and data tiles both hold; what the commit store lies in; the checkpoint file, which all keys of the log must have signed and whose root must be that of the same
 * tree at its size; and that neither it nor a full tile is of a larger log, as they are beside an old commit store.
 * The file may be older than the head, or missing when the log was never opened. At last, what a service derives from all that.
 */
export async function checkDirectory(
  source: DirectorySource,
  progress?: CheckOptions['progress'],
): Promise<CheckResult> {
  const { head, identity, storeName } = source;
  const damage = await source.findDamage();
  if (damage !== undefined && damage.isRenewed !== true) return { ok: false, problem: damage };
  const result = await checkLog(source, {
    head,
    headName: storeName,
    sctExtensions: identity.sctExtensions,
    progress,
  });
  if (!result.ok) return result;
  try {
    const difference = await source.firstDifference();
    if (difference !== undefined) throw new CheckFailure(storeName, difference);
    await checkPast(source);
    await checkDerived(source);
    return damage === undefined ? result : { ok: false, problem: damage };
  } catch (error) {
    if (error instanceof CheckFailure) return { ok: false, problem: error.problem };
    throw error;
  }
}

/** What lies beside the commit store and may be ahead of `source`. A server that runs commits first and writes these
 * afterwards: so the commit store is read again after them, and must have caught up. */
async function checkPast(source: DirectorySource): Promise<void> {
  const checkpoint = await readCheckpoint(source);
  const beyond = await tileBeyond(source.head.size, 'data', (path) => isThere(source, path));
  const now = await source.reread();
  if (checkpoint !== undefined) requireReached(now, checkpoint.size, CHECKPOINT_FILE);
  if (beyond !== undefined) requireReached(now, beyond.size, beyond.path);
  if (checkpoint === undefined || checkpoint.size === 0) return;
  const root = await rootAt(checkpoint.size > source.head.size ? now : source, checkpoint.size);
  if (!equalBytes(root, checkpoint.root)) throw ofAnotherTree(checkpoint.size);
  const { size, timestamp } = source.head;
  if (checkpoint.size !== size || (checkpoint.timestamp ?? timestamp) === timestamp) return;
  throw new CheckFailure(
    source.storeName,
    `the time of its head is not that of the signed ${CHECKPOINT_FILE}`,
  );
}

const ofAnotherTree = (size: number): CheckFailure =>
  new CheckFailure(CHECKPOINT_FILE, `its root is not that of the first ${size} entries`);

/** What a service makes anew where it is damaged: until then it answers from it, or not at all. */
async function checkDerived(source: DirectorySource): Promise<void> {
  const { identity, head, name } = source;
  const read = (tile: Tile): Promise<Uint8Array> => source.tile(tilePath(tile));
  const fault = await findDerivedFault(name, identity.logId, head.size, read);
  if (fault !== undefined) throw new CheckFailure(fault.where, fault.message);
}

function requireReached({ head, storeName }: DirectorySource, size: number, where: string): void {
  if (head.size >= size) return;
  throw new CheckFailure(
    storeName,
    `it holds ${head.size} entries, but the log had at least ${size} before (${where}): an old one was put back`,
  );
}

async function isThere(source: DirectorySource, path: string): Promise<boolean> {
  try {
    return (await source.tile(path)).length > 0;
  } catch (error) {
    if (error instanceof LogReadError) return false;
    throw error;
  }
}

/** Undefined when the file is not there. */
async function readCheckpoint(source: DirectorySource): Promise<VerifiedCheckpoint | undefined> {
  try {
    const keys = logKeys(source.identity);
    const verified = verifyCheckpoint(await source.checkpoint(), keys);
    requireEverySignature(verified, keys);
    return verified;
  } catch (error) {
    if (error instanceof LogReadError && error.code === 'NOT_FOUND') return undefined;
    if (error instanceof LogError || error instanceof FormatError)
      throw new CheckFailure(CHECKPOINT_FILE, error.message);
    throw error;
  }
}

/** Root of the first `size` entries, from tiles that were checked before. */
function rootAt(source: DirectorySource, size: number): Promise<Uint8Array> {
  const read = hashesFromTiles(sha256, size, async (tile) =>
    (await source.tile(tilePath(tile))).subarray(0, tile.width * 32),
  );
  return rootFrom(sha256, size, read);
}
