import { equalBytes } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import { LogError } from '../core/log-error.ts';
import type { EntryFormat } from '../format/entry-format.ts';
import type { Addition } from '../store/commit-store.ts';
import { leafHashOf } from './entry-bundle.ts';
import type { TreeEdge } from './tree-edge.ts';

/** Appends to `edge` what another writer added right behind it, and returns the leaf hashes. Throws {@link LogError} `LOG_CORRUPT` when the entries of a batch
 * do not give the root of its head: the edge is of no use then. */
export function adoptBatches(edge: TreeEdge, format: EntryFormat, { batches }: Addition): Uint8Array[] {
  const leafHashes: Uint8Array[] = [];
  for (const { head, entries } of batches) {
    for (const bytes of entries) {
      const leafHash = addedLeafHash(format, bytes, edge.size);
      edge.append(leafHash, bytes);
      leafHashes.push(leafHash);
    }
    if (edge.size !== head.size || !equalBytes(edge.root(), head.root))
      throw new LogError(
        'LOG_CORRUPT',
        `what another writer added up to entry ${head.size} does not give the root of its head`,
        {
          hint: 'Nothing is signed on top of it. `mayfly log check` says more.',
        },
      );
  }
  return leafHashes;
}

function addedLeafHash(format: EntryFormat, bytes: Uint8Array, index: number): Uint8Array {
  try {
    return leafHashOf(format, bytes, index);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new LogError(
      'LOG_CORRUPT',
      `entry ${index}, which another writer added, is damaged (${error.message})`,
    );
  }
}
