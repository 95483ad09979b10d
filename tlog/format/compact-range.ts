/** The right edge of a growing tree: all that an append and a root need, one hash for each bit set in the size. */
import type { Sha256 } from '../../core/hash.ts';
import { FormatError } from '../../core/errors.ts';
import { emptyRoot, foldRight, HASH_LENGTH, hashNode } from './merkle.ts';

/** Called with every complete subtree that an append finishes, leaves first. */
type NodeVisitor = (level: number, index: number, hash: Uint8Array) => void;

/** A tree of which only the right edge (the frontier) is kept. Append is amortised one hash, memory is log n. */
export class CompactRange {
  readonly #sha256: Sha256;
  readonly #hashes: Uint8Array[];
  #size: number;

  /** The tree of `size` leaves with that frontier, largest subtree first; empty by default. Throws
   * {@link FormatError} when the frontier does not belong to a tree of that size. */
  constructor(sha256: Sha256, size = 0, hashes: readonly Uint8Array[] = []) {
    if (!Number.isSafeInteger(size) || size < 0 || hashes.length !== bitsSet(size)) {
      throw new FormatError('MALFORMED', 'the frontier does not have one hash for each subtree');
    }
    if (hashes.some((hash) => hash.length !== HASH_LENGTH)) {
      throw new FormatError('MALFORMED', 'a hash of the frontier does not have 32 bytes');
    }
    this.#sha256 = sha256;
    this.#hashes = [...hashes];
    this.#size = size;
  }

  /** Number of leaves. */
  get size(): number {
    return this.#size;
  }

  /** The frontier, largest subtree first: with {@link size} enough to go on later. */
  get hashes(): readonly Uint8Array[] {
    return [...this.#hashes];
  }

  /** Adds a leaf by its hash; `visit` hears of each complete subtree that this finishes. */
  append(leafHash: Uint8Array, visit?: NodeVisitor): void {
    let hash = leafHash;
    let level = 0;
    let index = this.#size;
    visit?.(level, index, hash);
    for (; index % 2 === 1; index = (index - 1) / 2) {
      const left = this.#hashes.pop();
      if (left === undefined) throw new RangeError('the frontier is shorter than its size says');
      hash = hashNode(this.#sha256, left, hash);
      level++;
      visit?.(level, (index - 1) / 2, hash);
    }
    this.#hashes.push(hash);
    this.#size++;
  }

  /** Root of the tree as it stands. */
  root(): Uint8Array {
    return this.#size === 0 ? emptyRoot(this.#sha256) : foldRight(this.#sha256, this.#hashes);
  }

  /** An independent copy, to try a batch on. */
  clone(): CompactRange {
    return new CompactRange(this.#sha256, this.#size, this.#hashes);
  }
}

function bitsSet(size: number): number {
  let count = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) count += rest % 2;
  return count;
}
