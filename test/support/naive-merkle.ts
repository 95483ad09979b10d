/** RFC 6962 §2.1 written down as it stands there, recursive and slow: the second opinion on the clever code. */
import { sha256 } from './parsers.ts';

const join = (...parts: Uint8Array[]): Uint8Array => Uint8Array.from(Buffer.concat(parts));

function split(n: number): number {
  return 2 ** Math.ceil(Math.log2(n) - 1);
}

/** MTH over leaf hashes. */
export function naiveRoot(hashes: readonly Uint8Array[]): Uint8Array {
  const [only] = hashes;
  if (only === undefined) return sha256(new Uint8Array());
  if (hashes.length === 1) return only;
  const k = split(hashes.length);
  return sha256(join(Uint8Array.of(1), naiveRoot(hashes.slice(0, k)), naiveRoot(hashes.slice(k))));
}

/** PATH(m, D[n]). */
export function naivePath(m: number, hashes: readonly Uint8Array[]): Uint8Array[] {
  if (hashes.length === 1) return [];
  const k = split(hashes.length);
  const [left, right] = [hashes.slice(0, k), hashes.slice(k)];
  return m < k ? [...naivePath(m, left), naiveRoot(right)] : [...naivePath(m - k, right), naiveRoot(left)];
}

/** SUBPROOF(m, D[n], b). */
export function naiveSubproof(m: number, hashes: readonly Uint8Array[], b = true): Uint8Array[] {
  if (m === hashes.length) return b ? [] : [naiveRoot(hashes)];
  const k = split(hashes.length);
  const [left, right] = [hashes.slice(0, k), hashes.slice(k)];
  return m <= k
    ? [...naiveSubproof(m, left, b), naiveRoot(right)]
    : [...naiveSubproof(m - k, right, false), naiveRoot(left)];
}
