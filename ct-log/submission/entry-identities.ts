/**
 * From what makes an entry the same as another (RFC 6962: a log returns the SCT that it gave before) to where it may be in the log. The leaf
 * hash does not say it: it has the time in it. The index is derived from the entries, follows the published tree, and is made anew when it is
 * deleted.
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { findFileFault, type DerivedFault } from '../../tlog/derived-faults.ts';
import { emptyGroup, GROUP, prefixOf, type Group } from '../../tlog/index/hash-group.ts';
import { HashIndex, type Candidates } from '../../tlog/index/hash-index.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { TILE_WIDTH } from '../../tlog/format/tile.ts';
import type { PublishedTree } from '../../tlog/published-tree.ts';
import { signedEntryIn, type TileLeaf } from '../format/leaf.ts';

/** The file of the index, in the directory of its log. */
const IDENTITIES_FILE = 'identities.db';

type Tree = Pick<PublishedTree<TileLeaf>, 'head' | 'tiles'>;

const identityOf = (leaf: TileLeaf): Uint8Array => sha256(signedEntryIn(leaf));

const nextTurn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

/** The index of one log, in `identities.db` of its directory. */
export class EntryIdentities {
  readonly #tree: Tree;
  readonly #index: HashIndex;
  /** Entries that were noted, or were there at the start. */
  #noted: number;
  #reading: Promise<void> | undefined;

  /** Starts to index what is there in the background. */
  constructor(directory: string, logId: Uint8Array, tree: Tree) {
    this.#tree = tree;
    this.#noted = this.#size();
    this.#index = new HashIndex(
      { path: join(directory, IDENTITIES_FILE), logId },
      this.#noted,
      (n, size, signal) => readGroup((tile, width) => tree.tiles.entries(tile, width), n, size, signal),
    );
  }

  /** Why not every entry can be looked up; undefined while all is well, and while it is made for the first time. */
  get failure(): string | undefined {
    return this.#index.failure;
  }

  /** Where entries with that identity may be, under the newest signed head. Waits so many milliseconds for an index that is being made. Rejects when
   * entries cannot be read. */
  async candidates(identity: Uint8Array, patienceMs: number): Promise<Candidates> {
    while (this.#noted < this.#size()) {
      this.#reading ??= this.#read().finally(() => {
        this.#reading = undefined;
      });
      await this.#reading;
    }
    const found = await this.#index.candidates(identity);
    if (found.isAll) return found;
    await Promise.race([this.#index.settled(), delay(patienceMs, undefined, { ref: false })]);
    return this.#index.candidates(identity);
  }

  /** The entry at `index` was published. Only what saves reading it again: entries that nobody notes are read. */
  note(identity: Uint8Array, index: number): void {
    if (index === this.#noted) this.#add(identity);
  }

  /** Stops at once. */
  close(): Promise<void> {
    return this.#index.close();
  }

  #size(): number {
    return this.#tree.head().head.size;
  }

  #add(identity: Uint8Array): void {
    this.#index.add(identity, this.#noted);
    this.#noted++;
  }

  /** To the end of the tile of the first entry that is not noted. */
  async #read(): Promise<void> {
    const n = Math.floor(this.#noted / TILE_WIDTH);
    const width = Math.min(TILE_WIDTH, this.#size() - n * TILE_WIDTH);
    const leaves = await this.#tree.tiles.entries(n, width);
    for (const [i, leaf] of leaves.entries())
      if (n * TILE_WIDTH + i === this.#noted) this.#add(identityOf(leaf));
  }
}

/** The first `width` entries of a data tile. */
type ReadEntries = (n: number, width: number) => Promise<readonly TileLeaf[]>;

/** What is wrong with the index of the log in `directory`, which has that id and `size` entries; undefined where nothing is, or it is not there. Throws LogError
 * `LOG_STORAGE` where it cannot be read. */
export const findIdentitiesFault = (
  directory: string,
  logId: Uint8Array,
  size: number,
  entries: ReadEntries,
): Promise<DerivedFault | undefined> =>
  findFileFault(directory, IDENTITIES_FILE, {
    logId,
    size,
    read: (n, end, signal) => readGroup(entries, n, end, signal),
  });

/** The identities of a group, from its entries: the tree need not vouch for them, because what is found is compared. */
async function readGroup(read: ReadEntries, n: number, size: number, signal: AbortSignal): Promise<Group> {
  const group = emptyGroup();
  const first = n * GROUP;
  for (let at = first; at < size && !signal.aborted; at += TILE_WIDTH) {
    const leaves = await read(at / TILE_WIDTH, Math.min(TILE_WIDTH, size - at));
    for (const [i, leaf] of leaves.entries()) group[at - first + i] = prefixOf(identityOf(leaf));
    await nextTurn();
  }
  return group;
}
