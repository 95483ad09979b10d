/** Inclusion and consistency proofs (RFC 6962 §2.1.1, §2.1.2), made from any reader of subtree hashes. */
import type { Sha256 } from '../../core/hash.ts';
import { foldRight, nodesOf, splitPoint, type LeafRange } from './merkle.ts';

/** The hash of the complete subtree (level, index); level 0 are leaf hashes. May answer later. */
export type HashReader = (level: number, index: number) => Uint8Array | Promise<Uint8Array>;

/** The same hashes, each of which `read` is asked for once: for several proofs of one tree, and to be forgotten with them. */
export function rememberingHashes(read: HashReader): HashReader {
  const known = new Map<string, ReturnType<HashReader>>();
  return (level, index) => {
    const key = `${level}/${index}`;
    const hash = known.get(key) ?? read(level, index);
    known.set(key, hash);
    return hash;
  };
}

/** The audit path of leaf `index` in the tree of `size` leaves, from the leaf up. Throws RangeError unless
 * 0 ≤ index < size; rejects as `read` does. */
export async function inclusionProof(
  sha256: Sha256,
  index: number,
  size: number,
  read: HashReader,
): Promise<Uint8Array[]> {
  return Promise.all(inclusionRanges(index, size).map(async (range) => hashRange(sha256, range, read)));
}

/** The proof that the tree of `second` leaves continues that of `first`; empty when they are equal or `first` is 0.
 * Throws RangeError unless 0 ≤ first ≤ second; rejects as `read` does. */
export async function consistencyProof(
  sha256: Sha256,
  first: number,
  second: number,
  read: HashReader,
): Promise<Uint8Array[]> {
  return Promise.all(consistencyRanges(first, second).map(async (range) => hashRange(sha256, range, read)));
}

/** Root of the tree of `size` > 0 leaves; rejects as `read` does. */
export const rootFrom = (sha256: Sha256, size: number, read: HashReader): Promise<Uint8Array> =>
  hashRange(sha256, { start: 0, end: size }, read);

/** The ranges whose hashes are the audit path, from the leaf up; see {@link inclusionProof}. */
function inclusionRanges(index: number, size: number): LeafRange[] {
  checkOrder(index, size - 1);
  const out: LeafRange[] = [];
  let start = 0;
  let end = size;
  while (end - start > 1) {
    const middle = start + splitPoint(end - start);
    if (index < middle) {
      out.push({ start: middle, end });
      end = middle;
    } else {
      out.push({ start, end: middle });
      start = middle;
    }
  }
  return out.reverse();
}

/** The ranges whose hashes are the consistency proof, in its order; see {@link consistencyProof}. */
function consistencyRanges(first: number, second: number): LeafRange[] {
  checkOrder(first, second);
  if (first === 0) return [];
  const out: LeafRange[] = [];
  let start = 0;
  let end = second;
  while (end !== first) {
    const middle = start + splitPoint(end - start);
    if (first <= middle) {
      out.push({ start: middle, end });
      end = middle;
    } else {
      out.push({ start, end: middle });
      start = middle;
    }
  }
  // The verifier knows the root of the first tree; it needs that of any other subtree where the two trees part.
  if (start > 0) out.push({ start, end });
  return out.reverse();
}

async function hashRange(sha256: Sha256, range: LeafRange, read: HashReader): Promise<Uint8Array> {
  const hashes = await Promise.all(nodesOf(range).map(async ({ level, index }) => read(level, index)));
  return foldRight(sha256, hashes);
}

function checkOrder(low: number, high: number): void {
  if (!Number.isSafeInteger(low) || !Number.isSafeInteger(high) || low < 0 || low > high) {
    throw new RangeError('a proof was asked for outside of the tree');
  }
}
