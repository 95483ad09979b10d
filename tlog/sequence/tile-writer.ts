import { messageOf } from '../../core/errors.ts';
import { LogError } from '../core/log-error.ts';
import { TILE_WIDTH } from '../format/tile.ts';
import type { TileStore } from '../store/tile-store.ts';
import type { TreeEdge } from '../tree/tree-edge.ts';

/**
 * Moves full tiles from the edge to the tile store, in order and in the background, after the commit that covers
 * them. Until a tile is durable its entries stay in the commit store and in memory, so a failure here loses nothing:
 * it is tried again, into a new file, when the next batch asks. Only a tile that is there with other bytes does not
 * pass: somebody wrote another history, or the file is damaged, and nothing may be signed on top of either. A crash
 * here leaves at most a temporary file, or tiles that start-up writes again.
 */
export class TileWriter {
  readonly #edge: TreeEdge;
  readonly #store: TileStore;
  #next: number;
  #goal = 0;
  #running: Promise<void> | undefined;
  #failure: string | undefined;
  #contradiction: LogError | undefined;

  constructor(edge: TreeEdge, store: TileStore) {
    this.#edge = edge;
    this.#store = store;
    this.#next = edge.firstTile;
  }

  /** Every entry below this index is durable in full tiles. */
  get durableBelow(): number {
    return this.#next * TILE_WIDTH;
  }

  /** Why the last attempt failed; undefined when it did not. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Another tile is where one of ours belongs: the log must stop, and nothing is written any more. */
  get contradiction(): LogError | undefined {
    return this.#contradiction;
  }

  /** Another writer made every entry below `index` durable in full tiles. What is under way here goes on: it writes the same bytes. */
  skipTo(index: number): void {
    if (this.#running !== undefined) return;
    for (; this.durableBelow < index; this.#next++) this.#edge.drop(this.#next);
  }

  /** Full bundles of the tree of `size` entries that are not durable yet. */
  backlog(size: number): number {
    return Math.floor(size / TILE_WIDTH) - this.#next;
  }

  /** Writes what the committed tree of `size` entries has in full, or joins the attempt that is under way. Resolves
   * when the attempt is over; see {@link failure} and {@link contradiction}. */
  write(size: number): Promise<void> {
    this.#goal = Math.max(this.#goal, size);
    this.#running ??= this.#writeAll().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Resolves when no attempt is under way. */
  async idle(): Promise<void> {
    await this.#running;
  }

  /** A store that cannot keep up is waited for. One that fails while `limit` full bundles of the tree of `size`
   * entries are not durable is the end, before commit store and memory fill up: rejects with LogError `LOG_STORAGE`. */
  async waitBelow(limit: number, size: number): Promise<void> {
    if (this.backlog(size) < limit) return;
    await this.write(size);
    // The attempt that was under way may have failed long ago; this one is new.
    await this.write(size);
    if (this.backlog(size) < limit) return;
    const reason = this.#failure ?? 'no reason was given';
    throw this.#contradiction ?? new LogError('LOG_STORAGE', `full tiles cannot be written: ${reason}`);
  }

  async #writeAll(): Promise<void> {
    if (this.#contradiction !== undefined) return;
    try {
      for (; this.backlog(this.#goal) > 0; this.#next++) {
        for (const { path, bytes } of this.#edge.fullTiles(this.#next)) await this.#store.put(path, bytes);
        this.#edge.drop(this.#next);
      }
      this.#failure = undefined;
    } catch (error) {
      this.#failure = messageOf(error);
      if (error instanceof LogError && error.code === 'LOG_CORRUPT') this.#contradiction = error;
    }
  }
}
