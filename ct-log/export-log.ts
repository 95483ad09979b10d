/** A copy of a log as files that any web server can serve (c2sp.org/static-ct-api). */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { concat, equalBytes, utf8Text } from '../core/bytes.ts';
import { FormatError, systemCode } from '../core/errors.ts';
import { CHECKPOINT_FILE } from '../tlog/store/checkpoint-file.ts';
import type { DirectorySource } from './directory-source.ts';
import { parseLogV3Json } from './format/log-v3-json.ts';
import { rootFrom } from '../tlog/format/merkle-proof.ts';
import { hashLeaf, HASH_LENGTH } from '../tlog/format/merkle.ts';
import {
  hashesFromTiles,
  hashInTile,
  TILE_WIDTH,
  tilePath,
  tilesOf,
  tileWidth,
  type Tile,
} from '../tlog/format/tile.ts';
import { CHAIN_FOLDER, chainCertificatePath } from './chain-certificates.ts';
import { copyingAlone, LogCopy } from '../tlog/store/log-copy.ts';
import { LogError, LogReadError } from '../tlog/core/log-error.ts';
import type { CtLogIdentity } from './log-identity.ts';
import { logKeys } from './log-keys.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import type { LogSource } from './source.ts';
import { DESCRIPTION_FILE, staticSource } from './static-source.ts';
import { TILE_LEAVES } from './tile-leaves.ts';
import { firstEntries, readEntries } from '../tlog/tree/entry-bundle.ts';
import { verifyCheckpoint, type VerifiedCheckpoint } from '../tlog/tree/verify-head.ts';

/** What was written. */
export interface LogExport {
  /** The head of the copy. */
  readonly head: VerifiedCheckpoint;
  /** Files that were new in the copy, and files that were there. */
  readonly written: number;
  readonly present: number;
}

/** What is copied. */
interface ExportOptions {
  /** A snapshot of the log, taken beside a running server or after its end. */
  readonly source: DirectorySource;
  /** Where the files go; made if it is not there. */
  readonly out: string;
  /** Content of `log.v3.json`. */
  readonly description: string;
  /** Called now and then with the number of files looked at so far. */
  readonly progress?: ((files: number) => void) | undefined;
  /** Milliseconds that another export to the same directory is waited for; default: two minutes. */
  readonly waitMs?: number | undefined;
}

const WAIT_MS = 120_000;

/**
 * Copies the log at its newest signed checkpoint: all tiles of that size, the partial ones too, the chain
 * certificates, the description, and the checkpoint last. So a reader of the copy finds at any moment all that its checkpoint implies, and
 * after a crash a second run writes what is missing. A copy of an earlier size is brought up to date in the same way;
 * files that are there are not written again, for their bytes never change, and not read again either, but for the tiles
 * of its checkpoint's root (`checkLog` reads all). Another export to the same directory is waited for. Throws LogError `LOG_CORRUPT` when tiles, here or there, do not belong to
 * their checkpoint, `LOG_EXISTS` when the directory holds another log, a larger copy of this one or one of another history,
 * `LOG_LOCKED` when another export does not end in time, and the system's errors.
 */
export async function exportLog(options: ExportOptions): Promise<LogExport> {
  const { out, source, waitMs = WAIT_MS } = options;
  // Nothing is left of what is refused, the lock neither.
  await newestMoment(source);
  await requireOwn(source, out);
  return copyingAlone(out, waitMs, () => writeCopy(options));
}

/** While no other export writes there. */
async function writeCopy({ source: opened, out, description, progress }: ExportOptions): Promise<LogExport> {
  const { source, head, checkpoint } = await newestMoment(opened);
  await requireSameLog(source, head, out);
  const copy = new LogCopy(out);
  // The first file says whose the others are.
  await copy.begin(DESCRIPTION_FILE, Buffer.from(description));
  for (const tile of tilesOf(head.size, 'data')) {
    await copy.add(tilePath(tile), () => ownTile(source, tile, head.size), lengthOf(tile));
    progress?.(copy.files);
  }
  for (const hex of await source.chainCertificates())
    await copy.add(chainCertificatePath(hex), () => source.chainCertificate(hex));
  await copy.replace(DESCRIPTION_FILE, Buffer.from(description));
  await copy.replace(CHECKPOINT_FILE, checkpoint);
  return { head, written: copy.written, present: copy.files - copy.written };
}

interface LogMoment {
  readonly source: DirectorySource;
  readonly head: VerifiedCheckpoint;
  readonly checkpoint: Uint8Array;
}

/** The newest checkpoint, and a snapshot of the log that has all of it. Throws LogError `LOG_CORRUPT`. */
async function newestMoment(opened: DirectorySource): Promise<LogMoment> {
  const checkpoint = await opened.checkpoint();
  const head = verifyCheckpoint(checkpoint, logKeys(opened.identity));
  // A server that runs may have written the checkpoint after the snapshot was taken.
  const source = head.size > opened.head.size ? await opened.reread() : opened;
  await requireRoot(source, head);
  return { source, head, checkpoint };
}

/** The bytes of exactly this tile: a source may answer a partial one with what it has grown to since. */
async function exactTile(source: LogSource, tile: Tile): Promise<Uint8Array> {
  const bytes = await source.tile(tilePath(tile));
  if (tile.width === TILE_WIDTH) return bytes;
  if (typeof tile.level === 'number') return bytes.subarray(0, tile.width * HASH_LENGTH);
  return firstEntries(TILE_LEAVES, bytes, tile.width);
}

/** Undefined for a data tile: entries are of any length. */
const lengthOf = ({ level, width }: Tile): number | undefined =>
  typeof level === 'number' ? width * HASH_LENGTH : undefined;

/** {@link exactTile}, when it is the one of this tree. A tile at the edge is: the root was computed from it. */
async function ownTile(source: DirectorySource, tile: Tile, size: number): Promise<Uint8Array> {
  const bytes = await exactTile(source, tile);
  const { level, n, width } = tile;
  if (typeof level === 'string') {
    const leaves = await exactTile(source, { level: 0, n, width });
    if (!equalBytes(hashesOf(bytes, width), leaves)) throw damaged(source, tile);
  } else if (width === TILE_WIDTH) {
    const up = { level: level + 1, n: Math.floor(n / TILE_WIDTH) };
    const above = await exactTile(source, { ...up, width: tileWidth(up.level, up.n, size) });
    const at = (n % TILE_WIDTH) * HASH_LENGTH;
    const hash = hashInTile(sha256, { level, n, first: 0, count: TILE_WIDTH }, bytes);
    if (!equalBytes(hash, above.subarray(at, at + HASH_LENGTH))) throw damaged(source, tile);
  }
  return bytes;
}

/** The leaf hashes of a data tile; nothing when it does not hold just its entries. */
function hashesOf(bytes: Uint8Array, width: number): Uint8Array {
  try {
    const entries = readEntries(TILE_LEAVES, bytes, width);
    const isWhole = entries.at(-1)?.next === bytes.length;
    return isWhole ? concat(entries.map(({ leaf }) => hashLeaf(sha256, leaf))) : new Uint8Array();
  } catch (error) {
    if (error instanceof FormatError) return new Uint8Array();
    throw error;
  }
}

const damaged = ({ name }: DirectorySource, tile: Tile): LogError =>
  new LogError('LOG_CORRUPT', `${join(name, tilePath(tile))} is not of the tree of this log`, {
    hint: 'Run `mayfly log check` to see what is wrong.',
  });

const rootOf = (source: LogSource, size: number): Promise<Uint8Array> =>
  rootFrom(
    sha256,
    size,
    hashesFromTiles(sha256, size, (tile) => exactTile(source, tile)),
  );

async function requireRoot(source: DirectorySource, { size, root }: VerifiedCheckpoint): Promise<void> {
  // The root of nothing needs no tile.
  if (size === 0) return;
  if (equalBytes(await rootOf(source, size), root)) return;
  throw new LogError('LOG_CORRUPT', `the tiles of ${source.name} do not give the root of its checkpoint`, {
    hint: 'Run `mayfly log check` to see what is wrong.',
  });
}

/** Tiles of another log beside ours would be served as ours. Returns the checkpoint of the copy that is there, if there is one. */
async function requireOwn(
  { identity }: Pick<DirectorySource, 'identity'>,
  out: string,
): Promise<Uint8Array | undefined> {
  const there = staticSource(out);
  const description = await unlessMissing(there.description());
  if (description !== undefined && !isOf(identity, description)) throw inTheWay(out, 'a copy of another log');
  const checkpoint = await unlessMissing(there.checkpoint());
  if (description !== undefined && checkpoint !== undefined) return checkpoint;
  await requireFree(out, description === undefined ? [] : ['tile', CHAIN_FOLDER, DESCRIPTION_FILE]);
  return undefined;
}

/** {@link requireOwn}; and an older checkpoint over a newer one is a step back. */
async function requireSameLog(source: DirectorySource, head: VerifiedCheckpoint, out: string): Promise<void> {
  const checkpoint = await requireOwn(source, out);
  if (checkpoint === undefined) return;
  const there = staticSource(out);
  const { size, root } = verifyCheckpoint(checkpoint, logKeys(source.identity));
  if (size > head.size) throw inTheWay(out, `a copy of ${size} entries, and this log has ${head.size}`);
  if (size === 0) return;
  if (!equalBytes(await rootOf(source, size), root)) throw otherHistory(out);
  if (!(await hasRoot(there, size, root))) throw damagedCopy(out);
}

/** Whether the root of a copy follows from its tiles. Those that are missing, empty or cut off are written again soon. */
async function hasRoot(copy: LogSource, size: number, root: Uint8Array): Promise<boolean> {
  try {
    return equalBytes(await rootOf(copy, size), root);
  } catch (error) {
    if (error instanceof FormatError || error instanceof LogReadError) return true;
    throw error;
  }
}

const otherHistory = (out: string): LogError =>
  new LogError('LOG_EXISTS', `${out} holds a copy of another history of this log`, {
    hint:
      'Keep it: two heads of one log that contradict each other show that it was continued twice. Run `mayfly log ' +
      'check` on both, and export to another directory.',
  });

const damagedCopy = (out: string): LogError =>
  new LogError('LOG_CORRUPT', `${out} holds tiles that do not give the root of the checkpoint beside them`, {
    hint: 'Run `mayfly log check --data` on it, delete the file that it names, and export again.',
  });

function isOf({ logId }: CtLogIdentity, description: Uint8Array): boolean {
  try {
    return equalBytes(parseLogV3Json(sha256, utf8Text(description)).logId, logId);
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}

async function unlessMissing<T>(found: Promise<T>): Promise<T | undefined> {
  return found.catch((error: unknown) => {
    if (error instanceof LogReadError) return undefined;
    throw error;
  });
}

/** Until a copy is whole there is nothing else in its directory. Later somebody may put a page beside it. */
async function requireFree(out: string, own: readonly string[]): Promise<void> {
  const names = await readdir(out).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  });
  // A name with a dot in front may be what a crash left of a file.
  const foreign = names.find((name) => !own.includes(name) && !name.startsWith('.'));
  if (foreign !== undefined) throw inTheWay(out, `"${foreign}", which is of no exported log`);
}

const inTheWay = (out: string, what: string): LogError =>
  new LogError('LOG_EXISTS', `${out} holds ${what}`, {
    hint: 'Name an empty directory, or one that is not there.',
  });
