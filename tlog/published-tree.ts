import type { HashIndex } from './index/hash-index.ts';
import type { StoredEntry } from './format/entry-format.ts';
import type { SignedHead } from './sequence/head-signer.ts';
import type { RequiredFiles } from './tree/required-files.ts';
import type { TreeTiles } from './tree/tree-tiles.ts';

/** What a running log serves to readers: the tree of its newest signed head, and what leads into it. The read side of a
 * kind is made from this. */
export interface PublishedTree<Stored extends StoredEntry> {
  /** The newest signed head. It follows the log when that opens its stores again after a fault. */
  readonly head: () => SignedHead;
  /** The newest head that a quorum of witnesses has cosigned, with the cosignatures; undefined while there is none. Absent where the log has no witnesses. */
  readonly witnessed?: () => SignedHead | undefined;
  /** When the log ended, milliseconds since the epoch; undefined while it goes on. */
  readonly frozenAt: number | undefined;
  /** Tiles and entries. Readers keep to sizes that a signed head has reached. */
  readonly tiles: TreeTiles<Stored>;
  /** Companion files. */
  readonly files: RequiredFiles;
  /** From a leaf hash to where the entry may be. */
  readonly index: Pick<HashIndex, 'candidates'>;
}
