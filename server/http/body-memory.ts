/**
 * A limit on the memory that request bodies hold until they are decoded.
 *
 * When it is reached, the oldest body is dropped of those that are incomplete or not needed yet. Small bodies have a share of
 * their own that large ones cannot use. So clients that send half a body and stop displace one another, while an honest body,
 * which is a few KiB and complete within milliseconds, is kept.
 */

/** The first bytes of each body, which count for the share of small bodies. An honest body is 2 to 10 KiB. */
export const SMALL_BODY = 16 * 1024;

/** The memory of one body. */
interface HeldBody {
  /** Adds `bytes`, which may drop other bodies or this one. A dropped body holds nothing and stays dropped. */
  grow(bytes: number): void;
  /** The body is needed: from now on it is not dropped for others. */
  complete(): void;
  /** Frees what the body holds. Idempotent. */
  readonly release: () => void;
}

/** The memory of all bodies of a service. */
export class BodyMemory {
  readonly #small: Share;
  readonly #large: Share;

  /** `limit` in bytes: half for the first {@link SMALL_BODY} of every body, half for the rest of large ones. */
  constructor(limit: number) {
    this.#small = new Share(limit / 2);
    this.#large = new Share(limit / 2);
  }

  /** Bytes that are held. */
  get used(): number {
    return this.#small.used + this.#large.used;
  }

  /** A new body. `onDrop` is called when it is dropped. */
  open(onDrop: () => void): HeldBody {
    const [small, large] = [this.#small, this.#large];
    const held = { small: 0, large: 0, isDropped: false };
    const release = (): void => {
      small.remove(drop, held.small);
      large.remove(drop, held.large);
      held.small = held.large = 0;
    };
    const drop = (): void => {
      held.isDropped = true;
      release();
      onDrop();
    };
    return {
      grow: (bytes) => {
        if (held.isDropped || bytes === 0) return;
        const ofSmall = Math.min(bytes, SMALL_BODY - held.small);
        held.small += ofSmall;
        held.large += bytes - ofSmall;
        if (ofSmall > 0) small.add(drop, ofSmall);
        if (bytes > ofSmall) large.add(drop, bytes - ofSmall);
        small.dropUntilFree(drop);
        large.dropUntilFree(drop);
      },
      complete: () => {
        small.keep(drop);
        large.keep(drop);
      },
      release,
    };
  }
}

type Drop = () => void;

/** Bytes under one limit, and the incomplete bodies that can be dropped when it is reached. */
class Share {
  readonly #limit: number;
  /** In the order in which they first held bytes here. */
  readonly #incomplete = new Set<Drop>();
  used = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(drop: Drop, bytes: number): void {
    this.used += bytes;
    this.#incomplete.add(drop);
  }

  keep(drop: Drop): void {
    this.#incomplete.delete(drop);
  }

  remove(drop: Drop, bytes: number): void {
    this.used -= bytes;
    this.#incomplete.delete(drop);
  }

  /** Drops the oldest incomplete bodies until the rest fits; `newest` when all others are complete. */
  dropUntilFree(newest: Drop): void {
    while (this.used > this.#limit) {
      const [oldest = newest] = this.#incomplete;
      oldest();
      if (oldest === newest) return;
    }
  }
}
