/** Checking of inclusion and consistency proofs (RFC 9162 §2.1.3.2, §2.1.4.2, which RFC 6962's trees share). */
import { equalBytes } from '../../core/bytes.ts';
import type { Sha256 } from '../../core/hash.ts';
import { HASH_LENGTH, hashNode } from './merkle.ts';

/** Whether `proof` shows that the leaf with that hash is leaf `index` of the tree of `size` leaves with that root.
 * Never throws on what an untrusted log sent: any number or length out of range is a "no". */
export function verifyInclusion(
  sha256: Sha256,
  claim: { readonly leafHash: Uint8Array; readonly index: number; readonly size: number },
  proof: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  const { leafHash, index, size } = claim;
  if (!inOrder(index, size - 1) || !allHashes([leafHash, ...proof])) return false;
  const walk = new Walk(index, size - 1);
  let hash = leafHash;
  for (const sibling of proof) {
    if (walk.atRoot) return false;
    hash = walk.step() === 'left' ? hashNode(sha256, sibling, hash) : hashNode(sha256, hash, sibling);
  }
  return walk.atRoot && equalBytes(hash, root);
}

/** Whether `proof` shows that the tree of `second` leaves continues the tree of `first`. From the empty tree every
 * tree is a continuation, without a proof. Never throws on what an untrusted log sent. */
export function verifyConsistency(
  sha256: Sha256,
  first: { readonly size: number; readonly root: Uint8Array },
  second: { readonly size: number; readonly root: Uint8Array },
  proof: readonly Uint8Array[],
): boolean {
  if (!inOrder(first.size, second.size) || !allHashes(proof)) return false;
  if (first.size === second.size) return proof.length === 0 && equalBytes(first.root, second.root);
  if (first.size === 0) return proof.length === 0;
  const walk = new Walk(first.size - 1, second.size - 1);
  walk.climbWhileRight();
  // A first tree that is complete is itself the subtree where the proof begins.
  const [seed, ...rest] = walk.first === 0 ? [first.root, ...proof] : proof;
  if (seed === undefined) return false;
  let before = seed;
  let after = seed;
  for (const hash of rest) {
    if (walk.atRoot) return false;
    if (walk.step() === 'left') {
      before = hashNode(sha256, hash, before);
      after = hashNode(sha256, hash, after);
    } else after = hashNode(sha256, after, hash);
  }
  return walk.atRoot && equalBytes(before, first.root) && equalBytes(after, second.root);
}

/** The two counters of the RFC, `fn` and `sn`. Plain arithmetic, because bit operations end at 2^32. */
class Walk {
  first: number;
  #last: number;

  constructor(first: number, last: number) {
    this.first = first;
    this.#last = last;
  }

  get atRoot(): boolean {
    return this.#last === 0;
  }

  climbWhileRight(): void {
    while (this.first % 2 === 1) this.#climb();
  }

  /** On which side the next hash of the proof stands; moves up behind it. */
  step(): 'left' | 'right' {
    const left = this.first % 2 === 1 || this.first === this.#last;
    if (left) while (this.first % 2 === 0 && this.first > 0) this.#climb();
    this.#climb();
    return left ? 'left' : 'right';
  }

  #climb(): void {
    this.first = Math.floor(this.first / 2);
    this.#last = Math.floor(this.#last / 2);
  }
}

const inOrder = (low: number, high: number): boolean =>
  Number.isSafeInteger(low) && Number.isSafeInteger(high) && low >= 0 && low <= high;

const allHashes = (hashes: readonly Uint8Array[]): boolean =>
  hashes.every((hash) => hash.length === HASH_LENGTH);
