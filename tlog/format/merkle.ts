/**
 * Merkle tree hashing (RFC 6962 §2.1): leaf = H(00 ‖ leaf), node = H(01 ‖ left ‖ right), the empty tree = H("").
 * Trees hold up to 2^53 leaves; level 0 are the leaf hashes, a node (level, index) covers 2^level of them.
 */
import { concat } from '../../core/bytes.ts';
import type { Sha256 } from '../../core/hash.ts';

/** Length of every hash here, in bytes. */
export const HASH_LENGTH = 32;

const LEAF_PREFIX = Uint8Array.of(0);

/** Hash of a leaf's bytes. */
export const hashLeaf = (sha256: Sha256, leaf: Uint8Array): Uint8Array => sha256(concat([LEAF_PREFIX, leaf]));

// One for all: hashing is synchronous and keeps nothing of it, and the log hashes a node for every entry.
const node = new Uint8Array(1 + 2 * HASH_LENGTH);
node[0] = 1;

/** Hash of two siblings. */
export function hashNode(sha256: Sha256, left: Uint8Array, right: Uint8Array): Uint8Array {
  node.fill(0, 1); // a caller's hash that is too short must not be filled up from the node before
  node.set(left, 1);
  node.set(right, 1 + HASH_LENGTH);
  return sha256(node);
}

/** Root of the tree without leaves. */
export const emptyRoot = (sha256: Sha256): Uint8Array => sha256(new Uint8Array(0));

/** A run of leaves, `end` excluded. */
export interface LeafRange {
  readonly start: number;
  readonly end: number;
}

/** The largest power of two below `n`, where RFC 6962 splits a tree of `n` > 1 leaves. */
export function splitPoint(n: number): number {
  let half = 1;
  while (half * 2 < n) half *= 2;
  return half;
}

/** A complete subtree: it covers the leaves from index · 2^level on, 2^level of them. */
interface Node {
  readonly level: number;
  readonly index: number;
}

/** The complete subtrees that `range` falls into by RFC 6962's splits, from left to right: one if it is complete
 * itself, else the largest first. `range.start` must be a multiple of the largest one's width, as it is for every
 * range that a proof names. */
export function nodesOf({ start, end }: LeafRange): Node[] {
  const out: Node[] = [];
  for (let at = start; at < end;) {
    let level = 0;
    let width = 1;
    while (at + width * 2 <= end) {
      width *= 2;
      level++;
    }
    out.push({ level, index: at / width });
    at += width;
  }
  return out;
}

/** The hash of neighbouring complete subtrees as they grow to the right, largest first: what is smaller is folded
 * into what is larger. At least one. */
export function foldRight(sha256: Sha256, hashes: readonly Uint8Array[]): Uint8Array {
  let out = hashes.at(-1);
  if (out === undefined) throw new RangeError('nothing to fold');
  for (const left of hashes.slice(0, -1).reverse()) out = hashNode(sha256, left, out);
  return out;
}
