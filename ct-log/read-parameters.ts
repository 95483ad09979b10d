/** What callers of the read side may ask for. */
import { LogReadError } from '../tlog/core/log-error.ts';

/** A question that has no answer, whatever the log holds. */
export const badParameter = (message: string): LogReadError => new LogReadError('BAD_PARAMETER', message);

/** Whether this can be an index or a size. */
export const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;

/** Throws {@link LogReadError} `BAD_PARAMETER` unless the tree of `size` entries has had `treeSize` of them. */
export function requireReached(treeSize: number, size: number): void {
  if (treeSize > size) throw badParameter(`the tree has ${size} entries, not ${treeSize}`);
}

/** The same, and there must be an entry in it. */
export function requireTree(treeSize: number, size: number): void {
  if (!isCount(treeSize) || treeSize === 0) throw badParameter('tree_size must be at least 1');
  requireReached(treeSize, size);
}
