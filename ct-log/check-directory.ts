import { equalBytes } from '../core/bytes.ts';
import { FormatError } from '../core/errors.ts';
import { checkLog, type CheckOptions, type CheckResult } from './check.ts';
import type { LogProblem } from './check-problem.ts';
import { CHECKPOINT_FILE } from './checkpoint-file.ts';
import type { DirectorySource } from './directory-source.ts';
import { rootFrom } from './format/merkle-proof.ts';
import { hashesFromTiles, tilePath } from './format/tile.ts';
import { LogError, LogReadError } from './log-error.ts';
import { logKeys } from './log-keys.ts';
import { sha256 } from './sha256.ts';
import { COMMIT_DATABASE } from './sqlite-commit-store.ts';
import { verifyCheckpoint } from './verify-head.ts';

/**
 * The full check of a directory: the tree against the committed head ({@link checkLog}); the entries that commit store
 * and data tiles both hold; and the checkpoint file, whose signatures must hold and whose root must be that of the
 * same tree at its size. The file may be older than the head, or missing when the log was never opened.
 */
export async function checkDirectory(
  source: DirectorySource,
  progress?: CheckOptions['progress'],
): Promise<CheckResult> {
  const { head, identity } = source;
  const result = await checkLog(source, {
    ...{ head, headName: COMMIT_DATABASE, sctExtensions: identity.sctExtensions, progress },
  });
  if (!result.ok) return result;
  const difference = await source.firstDifference();
  if (difference !== undefined)
    return { ok: false, problem: { where: COMMIT_DATABASE, message: difference } };
  const problem = await checkpointProblem(source);
  return problem === undefined ? result : { ok: false, problem };
}

async function checkpointProblem(source: DirectorySource): Promise<LogProblem | undefined> {
  const wrong = (message: string): LogProblem => ({ where: CHECKPOINT_FILE, message });
  try {
    const {
      size,
      root,
      timestamp = 0,
    } = verifyCheckpoint(await source.checkpoint(), logKeys(source.identity));
    const { head } = source;
    // A running server may have published since our snapshot; such a checkpoint says nothing about this tree.
    if (size > head.size)
      return timestamp >= head.timestamp ? undefined : wrong('it is ahead of the head in size only');
    const computed = size === 0 ? sha256(new Uint8Array()) : await rootAt(source, size);
    return equalBytes(computed, root)
      ? undefined
      : wrong(`its root is not that of the first ${size} entries`);
  } catch (error) {
    if (error instanceof LogReadError && error.code === 'NOT_FOUND') return undefined;
    if (error instanceof LogError || error instanceof FormatError) return wrong(error.message);
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
