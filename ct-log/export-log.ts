/** A copy of a log as files that any web server can serve (c2sp.org/static-ct-api). */
import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { equalBytes, utf8Text } from '../core/bytes.ts';
import { FormatError, systemCode } from '../core/errors.ts';
import { writeDurably } from '../storage/durable-file.ts';
import { ensureDirectory } from '../storage/make-directory.ts';
import { CHECKPOINT_FILE } from './checkpoint-file.ts';
import type { DirectorySource } from './directory-source.ts';
import { parseLogV3Json } from './format/log-v3-json.ts';
import { rootFrom } from './format/merkle-proof.ts';
import { HASH_LENGTH } from './format/merkle.ts';
import { hashesFromTiles, TILE_WIDTH, tilePath, tilesOf, type Tile } from './format/tile.ts';
import { issuerPath } from './issuers.ts';
import { LogError, LogReadError } from './log-error.ts';
import type { LogIdentity } from './log-identity.ts';
import { logKeys } from './log-keys.ts';
import { sha256 } from './sha256.ts';
import { DESCRIPTION_FILE, staticSource } from './static-source.ts';
import { readEntries } from './tree-tiles.ts';
import { verifyCheckpoint, type VerifiedCheckpoint } from './verify-head.ts';

/** What was written. */
export interface LogExport {
  /** The head of the copy. */
  readonly head: VerifiedCheckpoint;
  /** Files that were new in the copy, and files that were there. */
  readonly written: number;
  readonly present: number;
}

/** What is copied. */
export interface ExportOptions {
  /** A snapshot of the log, taken beside a running server or after its end. */
  readonly source: DirectorySource;
  /** Where the files go; made if it is not there. */
  readonly out: string;
  /** Content of `log.v3.json`. */
  readonly description: string;
  /** Called now and then with the number of files looked at so far. */
  readonly progress?: ((files: number) => void) | undefined;
}

/**
 * Copies the log at its newest signed checkpoint: all tiles of that size, the partial ones too, the issuers, the
 * description, and the checkpoint last. So whoever reads the copy at any moment finds all that its checkpoint implies, and
 * after a crash a second run writes what is missing. A copy of an earlier size is brought up to date in the same way;
 * files that are there are not written again, for their bytes never change. Throws LogError `LOG_CORRUPT` when the tiles do
 * not give the root of the checkpoint, `LOG_EXISTS` when the directory holds another log or a larger copy of this one,
 * and the system's errors.
 */
export async function exportLog(options: ExportOptions): Promise<LogExport> {
  const { out, description, progress } = options;
  const checkpoint = await options.source.checkpoint();
  const head = verifyCheckpoint(checkpoint, logKeys(options.source.identity));
  // A server that runs may have written the checkpoint after the snapshot was taken.
  const source = head.size > options.source.head.size ? await options.source.reread() : options.source;
  await requireRoot(source, head);
  await requireSameLog(source, head, out);
  const copy = new Copy(out);
  // The first file says whose the others are.
  await copy.begin(DESCRIPTION_FILE, Buffer.from(description));
  for (const tile of tilesOf(head.size)) {
    await copy.add(tilePath(tile), () => exactTile(source, tile));
    progress?.(copy.files);
  }
  for (const hex of await issuersOf(source.name)) await copy.add(issuerPath(hex), () => source.issuer(hex));
  await copy.replace(DESCRIPTION_FILE, Buffer.from(description));
  await copy.replace(CHECKPOINT_FILE, checkpoint);
  return { head, written: copy.written, present: copy.files - copy.written };
}

/** Files below a directory that a web server, most likely another user, must be able to read. */
class Copy {
  written = 0;
  files = 0;
  readonly #out: string;

  constructor(out: string) {
    this.#out = out;
  }

  /** Writes a file unless it is there; it is counted when it is replaced. */
  async begin(path: string, bytes: Uint8Array): Promise<void> {
    if (!(await isThere(join(this.#out, path)))) await this.#write(path, bytes);
  }

  /** Writes an immutable file unless it is there. One that is empty was being made when the power went. */
  async add(path: string, bytes: () => Promise<Uint8Array>): Promise<void> {
    this.files++;
    if (await isThere(join(this.#out, path))) return;
    await this.#write(path, await bytes());
    this.written++;
  }

  async replace(path: string, bytes: Uint8Array): Promise<void> {
    this.files++;
    this.written++;
    await this.#write(path, bytes);
  }

  async #write(path: string, bytes: Uint8Array): Promise<void> {
    const file = join(this.#out, path);
    await ensureDirectory(dirname(file), 0o755);
    await writeDurably(file, bytes, 0o644);
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    return (await stat(path)).size > 0;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}

/** The bytes of exactly this tile: a source may answer a partial one with what it has grown to since. */
async function exactTile(source: DirectorySource, tile: Tile): Promise<Uint8Array> {
  const bytes = await source.tile(tilePath(tile));
  if (tile.width === TILE_WIDTH) return bytes;
  if (tile.level !== 'data') return bytes.subarray(0, tile.width * HASH_LENGTH);
  return bytes.subarray(0, readEntries(bytes, tile.width).at(-1)?.next ?? 0);
}

async function requireRoot(source: DirectorySource, { size, root }: VerifiedCheckpoint): Promise<void> {
  // The root of nothing needs no tile.
  if (size === 0) return;
  const hashes = hashesFromTiles(sha256, size, async (tile) => exactTile(source, tile));
  const own = await rootFrom(sha256, size, hashes);
  if (equalBytes(own, root)) return;
  throw new LogError('LOG_CORRUPT', `the tiles of ${source.name} do not give the root of its checkpoint`, {
    hint: 'Run `mayfly log check` to see what is wrong.',
  });
}

/** Tiles of another log beside ours would be served as ours, and an older checkpoint over a newer one is a step back. */
async function requireSameLog(source: DirectorySource, head: VerifiedCheckpoint, out: string): Promise<void> {
  const there = staticSource(out);
  const description = await unlessMissing(there.description());
  if (description !== undefined && !isOf(source.identity, description))
    throw inTheWay(out, 'a copy of another log');
  const checkpoint = await unlessMissing(there.checkpoint());
  if (description === undefined || checkpoint === undefined) {
    await requireFree(out, description === undefined ? [] : ['tile', 'issuer', DESCRIPTION_FILE]);
    return;
  }
  const { size } = verifyCheckpoint(checkpoint, logKeys(source.identity));
  if (size > head.size) throw inTheWay(out, `a copy of ${size} entries, and this log has ${head.size}`);
}

function isOf({ logId }: LogIdentity, description: Uint8Array): boolean {
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

async function issuersOf(directory: string): Promise<string[]> {
  const names = await readdir(join(directory, 'issuer'));
  return names.filter((name) => /^[0-9a-f]{64}$/.test(name)).sort();
}
