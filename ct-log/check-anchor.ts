import { equalBytes } from '../core/bytes.ts';
import { messageOf } from '../core/errors.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import { rootFrom } from '../tlog/format/merkle-proof.ts';
import { HASH_LENGTH } from '../tlog/format/merkle.ts';
import { hashesFromTiles, tilePath } from '../tlog/format/tile.ts';
import { anchorAt, notedAnchor, type AnchorPlace, type HeadAnchor } from '../tlog/store/head-anchor.ts';
import { verifyCheckpoint } from '../tlog/tree/verify-head.ts';
import type { LogProblem } from './check-failure.ts';
import type { DirectorySource } from './directory-source.ts';
import { logKeys } from './log-keys.ts';
import { LogError } from '../tlog/core/log-error.ts';

/** What the anchor of a log says of the log. */
export interface CheckedAnchor extends Pick<AnchorPlace, 'mode' | 'at'> {
  /** Entries of the head that it holds; undefined for none, or where it does not answer. */
  readonly size: number | undefined;
  /** Why it could not be compared; undefined where it was. */
  readonly unanswered?: string;
  /** What of the log contradicts it. */
  readonly problem?: LogProblem;
}

/** Compares a log whose tiles were checked with the anchor that it was held to when it was opened last; undefined: none. Writes nothing. */
export async function checkAnchor(source: DirectorySource): Promise<CheckedAnchor | undefined> {
  const place = await notedAnchor(source.name);
  if (place === undefined) return undefined;
  const { mode, at } = place;
  const { logId } = source.identity;
  const anchor = anchorAt(place, { name: source.identity.name, logId });
  try {
    return { mode, at, ...(await compared(anchor, source)) };
  } catch (error) {
    if (error instanceof LogError && error.code === 'LOG_STORAGE')
      return { mode, at, size: undefined, unanswered: error.message };
    throw error;
  } finally {
    await anchor.close?.();
  }
}

async function compared(
  anchor: HeadAnchor,
  opened: DirectorySource,
): Promise<Pick<CheckedAnchor, 'size' | 'problem'>> {
  const bytes = await anchor.read();
  if (bytes === undefined) return { size: undefined };
  // A service that runs has gone on meanwhile, and its anchor with it.
  const source = await opened.reread();
  const where = `the anchor ${anchor.name}`;
  let known;
  try {
    known = verifyCheckpoint(bytes, logKeys(source.identity));
  } catch (error) {
    return { size: undefined, problem: { where, message: messageOf(error) } };
  }
  const { size, root } = known;
  if (size > source.head.size)
    return {
      size,
      problem: {
        where,
        message: `it knows of ${size} entries, and the log has ${source.head.size}: an old copy was put back, or a copy went on elsewhere`,
      },
    };
  if (size === 0 || equalBytes(await rootAt(source, size), root)) return { size };
  return { size, problem: { where, message: `it knows of another history of the first ${size} entries` } };
}

const rootAt = (source: DirectorySource, size: number): Promise<Uint8Array> =>
  rootFrom(
    sha256,
    size,
    hashesFromTiles(sha256, size, async (tile) =>
      (await source.tile(tilePath(tile))).subarray(0, tile.width * HASH_LENGTH),
    ),
  );
