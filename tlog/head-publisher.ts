import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../core/errors.ts';
import { TILE_WIDTH, tilePath, tileWidth, type BundleName, type Tile } from './format/tile.ts';
import type { SignedHead } from './sequence/head-signer.ts';
import type { PublishedFiles } from './store/tile-store.ts';
import type { TreeTiles } from './tree/tree-tiles.ts';

/** Milliseconds between two checkpoints that are published, and between two looks whether the full tiles of one are there. */
const INTERVAL_MS = 1_000;
const TILES_MS = 50;

/** Milliseconds for the last one in a store that failed before. */
const CLOSING_MS = 5_000;

/** Levels of a tree that can ever be (static-ct-api). */
const LEVELS = 5;

/** The tiles of the tree of `size` entries that are not full, one a level at most. */
function partialTiles(size: number, bundle: BundleName): Tile[] {
  const levels = [bundle, ...Array.from({ length: LEVELS + 1 }, (_, level) => level)];
  const last = (level: Tile['level']): Tile => {
    const hashes = Math.floor(size / TILE_WIDTH ** (typeof level === 'number' ? level : 0));
    const n = Math.floor(hashes / TILE_WIDTH);
    return { level, n, width: tileWidth(level, n, size) };
  };
  return levels.map(last).filter(({ width }) => width > 0);
}

/** Puts what a head of `size` entries implies beside full tiles. Rejects with LogError. */
export async function putPartials(
  store: PublishedFiles,
  tiles: TreeTiles,
  bundle: BundleName,
  size: number,
): Promise<void> {
  for (const tile of partialTiles(size, bundle))
    await store.putPartial(tilePath(tile), await tiles.tile(tile));
}

/** The last attempt at the end of a process. A store that failed before is not waited for long. */
async function attemptAtEnd(work: Promise<void>, isDown: boolean): Promise<void> {
  const late = new AbortController();
  const tooLong = delay(CLOSING_MS, undefined, { signal: late.signal }).catch(() => undefined);
  await Promise.race([work, ...(isDown ? [tooLong] : [])]);
  late.abort();
}

/** Puts what the log says of itself into the store that others read in the place of the service, once. A crash leaves what was there, or this. What fails is tried again. */
export class DescriptionPublisher {
  readonly #store: PublishedFiles;
  readonly #describe: (there: Uint8Array | undefined) => Uint8Array;
  #isDone = false;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #failure: string | undefined;
  #isClosed = false;

  /** `describe` makes it, of what is there. */
  constructor(store: PublishedFiles, describe: (there: Uint8Array | undefined) => Uint8Array) {
    this.#store = store;
    this.#describe = describe;
    this.#schedule(0);
  }

  /** Why it is not there; undefined while all is well. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Puts it, if that was not done yet. Never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#running;
    if (!this.#isDone) await attemptAtEnd(this.#put(), this.#failure !== undefined);
  }

  #schedule(ms: number): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#running = this.#put().finally(() => {
        if (!this.#isDone) this.#schedule(INTERVAL_MS);
      });
    }, ms).unref();
  }

  async #put(): Promise<void> {
    try {
      await this.#store.putDescription(this.#describe(await this.#store.description()));
      this.#isDone = true;
      this.#failure = undefined;
    } catch (error) {
      this.#failure = messageOf(error);
    }
  }
}

/**
 * Keeps the newest checkpoint in the store that others read in the place of the service, with all that it implies: the full tiles, which are waited for, and the partial ones,
 * which are put before it. Derived and late: at most one a second. A crash leaves an older checkpoint, and perhaps partial tiles of a newer head, which is committed. What fails is tried again.
 */
export class HeadPublisher {
  readonly #store: PublishedFiles;
  readonly #tiles: TreeTiles;
  readonly #bundle: BundleName;
  readonly #durableBelow: () => number;
  #newest: SignedHead;
  #published: SignedHead | undefined;
  /** Bundles before this one have no partial tiles any more, as far as is known. */
  #tidyFrom: number;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #failure: string | undefined;
  #isClosed = false;

  /** `durableBelow`: below which index every entry is in full tiles that were put. */
  constructor(
    store: PublishedFiles,
    tiles: TreeTiles,
    { bundle, first }: { readonly bundle: BundleName; readonly first: SignedHead },
    durableBelow: () => number,
  ) {
    this.#store = store;
    this.#tiles = tiles;
    this.#bundle = bundle;
    this.#durableBelow = durableBelow;
    this.#newest = first;
    this.#tidyFrom = Math.max(0, Math.floor(first.head.size / TILE_WIDTH) - 1);
    this.#schedule(0);
  }

  /** Why the published checkpoint is older than it should be; undefined while all is well. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Notes a newer head. */
  update(head: SignedHead): void {
    this.#newest = head;
    if (this.#timer === undefined && this.#running === undefined) this.#schedule(INTERVAL_MS);
  }

  /** Publishes the newest head, if that is another one, and none after that. A store that failed before is not waited for long. Never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#running;
    if (this.#newest === this.#published) return;
    await attemptAtEnd(this.#publish(), this.#failure !== undefined);
  }

  #schedule(ms: number): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#running = this.#publish().finally(() => {
        this.#running = undefined;
        if (this.#newest !== this.#published) this.#schedule(INTERVAL_MS);
      });
    }, ms).unref();
  }

  async #publish(): Promise<void> {
    const signed = this.#newest;
    const { size } = signed.head;
    try {
      if (!(await this.#fullTilesAreThere(size))) {
        if (this.#isClosed)
          this.#failure = `${this.#store.name}: full tiles of the newest head are not there yet`;
        return;
      }
      await putPartials(this.#store, this.#tiles, this.#bundle, size);
      await this.#store.putCheckpoint(signed.checkpoint);
      this.#published = signed;
      this.#failure = undefined;
      await this.#tidy(size);
    } catch (error) {
      this.#failure = `${this.#store.name}: ${messageOf(error)}`;
    }
  }

  /** They are on their way; where they cannot be put, that is a failure of its own, and this waits for the next time. */
  async #fullTilesAreThere(size: number): Promise<boolean> {
    const goal = size - (size % TILE_WIDTH);
    const end = performance.now() + INTERVAL_MS;
    while (this.#durableBelow() < goal) {
      if (performance.now() > end || this.#isClosed) return false;
      await delay(TILES_MS, undefined, { ref: false });
    }
    return true;
  }

  /** Readers of an older checkpoint take the full tile in the place of a partial one (tlog-tiles, "Partial Tiles"). */
  async #tidy(size: number): Promise<void> {
    for (const full = Math.floor(size / TILE_WIDTH); this.#tidyFrom < full; this.#tidyFrom++)
      for (const level of [this.#bundle, 0] as const)
        await this.#store.removePartials(tilePath({ level, n: this.#tidyFrom, width: TILE_WIDTH }));
  }
}
