/** The log in a directory, read beside a running server, after a clean end, or after a crash. Writes nothing. */
import { concat, equalBytes } from '../core/bytes.ts';
import { CHECKPOINT_FILE } from '../tlog/store/checkpoint-file.ts';
import { chooseStores } from '../tlog/store/choose-stores.ts';
import type { CommitStoreBackend, Head, StoreDamage, StoredState } from '../tlog/store/commit-store.ts';
import { hashLeaf, HASH_LENGTH } from '../tlog/format/merkle.ts';
import { hashInTile, parseTilePath, TILE_WIDTH, tilePath, type Tile } from '../tlog/format/tile.ts';
import { parseTileLeaf } from './format/leaf.ts';
import { CHAIN_FOLDER, chainCertificatePath } from './chain-certificates.ts';
import { LogReadError } from '../tlog/core/log-error.ts';
import { readLogFile } from '../tlog/core/log-file.ts';
import { readIdentity, type CtLogIdentity } from './log-identity.ts';
import { requireStoreOf } from '../tlog/require-identity.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import { requireTime, type LogSource } from './source.ts';
import type { ListedTileStore } from '../tlog/store/tile-store.ts';

/** A log in a directory, as it was at one moment: head and entries come from one snapshot, tiles never change. */
export interface DirectorySource extends LogSource {
  readonly identity: CtLogIdentity;
  /** The committed head. Its signatures are not stored; the checkpoint may be older. */
  readonly head: Head;
  /** When the log ended, milliseconds since the epoch; undefined while it goes on. */
  readonly frozenAt: number | undefined;
  /** What its commit store is called in messages. */
  readonly storeName: string;
  /** What is wrong with what the commit store lies in; undefined when nothing is. */
  findDamage(): Promise<StoreDamage | undefined>;
  /** The first difference between an entry in the commit store and its copy in a full data tile. */
  firstDifference(): Promise<string | undefined>;
  /** The names of the chain certificates that it has: their hashes in hexadecimal. */
  chainCertificates(): Promise<string[]>;
  /** The same log as its commit store is now: a running server has gone on since. */
  reread(): Promise<DirectorySource>;
}

/** Opens the log in `directory`, which is read until `deadline`; throws {@link LogError} `LOG_MISSING`, `LOG_CORRUPT` or
 * `LOG_STORAGE`. */
export async function openDirectorySource(
  directory: string,
  deadline?: AbortSignal,
): Promise<DirectorySource> {
  const identity = await readIdentity(directory);
  const stores = await chooseStores(directory);
  const state = await stores.commits.read();
  requireStoreOf(identity, state);
  return new Snapshot({ directory, identity, deadline, ...stores }, state);
}

interface Opened {
  readonly directory: string;
  readonly identity: CtLogIdentity;
  readonly deadline: AbortSignal | undefined;
  readonly commits: CommitStoreBackend;
  readonly tiles: ListedTileStore;
}

class Snapshot implements DirectorySource {
  readonly name: string;
  readonly identity: CtLogIdentity;
  readonly #state: StoredState;
  readonly #commits: CommitStoreBackend;
  readonly #tiles: ListedTileStore;
  readonly #deadline: AbortSignal | undefined;

  constructor({ directory, identity, deadline, commits, tiles }: Opened, state: StoredState) {
    this.name = directory;
    this.#deadline = deadline;
    this.identity = identity;
    this.#state = state;
    this.#commits = commits;
    this.#tiles = tiles;
  }

  get storeName(): string {
    return this.#commits.name;
  }

  findDamage(): Promise<StoreDamage | undefined> {
    return this.#commits.findDamage();
  }

  get head(): Head {
    return this.#state.head;
  }

  get frozenAt(): number | undefined {
    return this.#state.frozenAt;
  }

  async checkpoint(): Promise<Uint8Array> {
    requireTime(this.#deadline, this.name);
    const bytes = await readLogFile(this.name, CHECKPOINT_FILE);
    if (bytes !== undefined) return bytes;
    throw new LogReadError('NOT_FOUND', `${this.name} has no checkpoint file yet`, {
      hint: 'The server writes it within a second of its start. Start it once, or ask it with --url.',
    });
  }

  chainCertificates(): Promise<string[]> {
    return this.#tiles.names(CHAIN_FOLDER);
  }

  async chainCertificate(hex: string): Promise<Uint8Array> {
    return this.#need(/^[0-9a-f]{64}$/.test(hex) ? chainCertificatePath(hex) : 'issuer');
  }

  async tile(path: string): Promise<Uint8Array> {
    requireTime(this.#deadline, this.name);
    const tile = parseTilePath(path, 'data');
    const file = await this.#tiles.get(tilePath({ ...tile, width: TILE_WIDTH }));
    if (file !== undefined) return file;
    if (this.#isDurable(tile)) throw notFound(path);
    return typeof tile.level === 'number' ? this.#hashes(tile.level, tile) : concat(this.#entries(tile));
  }

  /** Entries that are in no file yet lie in the commit store. */
  locate(path: string, offset: number): string {
    const tile = parseTilePath(path, 'data');
    if (tile.level !== 'data' || !this.#isStored(tile)) return `${path} at byte ${offset}`;
    let at = offset;
    let index = tile.n * TILE_WIDTH;
    for (const entry of this.#entries(tile)) {
      if (at < entry.length) break;
      at -= entry.length;
      index++;
    }
    return `${this.storeName}, entry ${index} at byte ${at}`;
  }

  reread(): Promise<DirectorySource> {
    return openDirectorySource(this.name, this.#deadline);
  }

  async firstDifference(): Promise<string | undefined> {
    const { firstEntry, head, entries } = this.#state;
    for (let n = firstEntry / TILE_WIDTH; (n + 1) * TILE_WIDTH <= head.size; n++) {
      const path = tilePath({ level: 'data', n, width: TILE_WIDTH });
      const file = await this.#tiles.get(path);
      const from = n * TILE_WIDTH - firstEntry;
      if (file === undefined || equalBytes(file, concat(entries.slice(from, from + TILE_WIDTH)))) continue;
      return `${this.storeName} and ${path} hold different entries ${n * TILE_WIDTH} to ${(n + 1) * TILE_WIDTH - 1}`;
    }
    return undefined;
  }

  /** What is in files for good: computing it would hide that a file is gone. */
  #isDurable({ level, n, width }: Tile): boolean {
    const entries = TILE_WIDTH ** (typeof level === 'number' ? level + 1 : 1);
    return width === TILE_WIDTH && (n + 1) * entries <= this.#state.firstEntry;
  }

  #isStored({ n, width }: Tile): boolean {
    const end = n * TILE_WIDTH + width;
    return n * TILE_WIDTH >= this.#state.firstEntry && end <= this.#state.head.size;
  }

  #entries(tile: Tile): readonly Uint8Array[] {
    if (!this.#isStored(tile)) throw notFound(tilePath(tile));
    const from = tile.n * TILE_WIDTH - this.#state.firstEntry;
    return this.#state.entries.slice(from, from + tile.width);
  }

  /** Hashes that are in no file, from what lies below them. */
  async #hashes(level: number, { n, width }: Tile): Promise<Uint8Array> {
    if (level === 0) {
      const entries = this.#entries({ level: 'data', n, width });
      return concat(entries.map((entry) => hashLeaf(sha256, parseTileLeaf(entry, 0).leaf)));
    }
    const out: Uint8Array[] = [];
    for (let i = 0; i < width; i++) {
      const child = { level: level - 1, n: n * TILE_WIDTH + i, width: TILE_WIDTH };
      const bytes = await this.tile(tilePath(child));
      if (bytes.length !== TILE_WIDTH * HASH_LENGTH) throw notFound(tilePath(child));
      out.push(hashInTile(sha256, { level: child.level, n: child.n, first: 0, count: TILE_WIDTH }, bytes));
    }
    return concat(out);
  }

  async #need(path: string): Promise<Uint8Array> {
    requireTime(this.#deadline, this.name);
    const bytes = path === 'issuer' ? undefined : await this.#tiles.get(path);
    if (bytes === undefined) throw notFound(path);
    return bytes;
  }
}

const notFound = (path: string): LogReadError => new LogReadError('NOT_FOUND', `${path} is missing`);
