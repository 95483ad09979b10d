import type { PublishedTree } from '../tlog/published-tree.ts';
import type { UnreadableFiles } from '../tlog/tree/required-files.ts';
import { openReadOnlyLog } from '../tlog/read-only-log.ts';
import type { TileLeaf } from './format/leaf.ts';
import { readIdentity, type CtLogIdentity } from './log-identity.ts';
import { logKeys } from './log-keys.ts';
import { logReader, type LogReader } from './reader.ts';
import { TILE_LEAVES } from './tile-leaves.ts';

/** A certificate log that this process reads and does not write. */
export interface ReadOnlyCtLog {
  readonly identity: CtLogIdentity;
  readonly reader: LogReader;
  readonly tree: PublishedTree<TileLeaf>;
  /** Entries under its signed head. */
  readonly size: number;
  /** When it ended, milliseconds since the epoch; undefined when it has not. */
  readonly frozenAt: number | undefined;
  readonly unreadable: () => UnreadableFiles | undefined;
  readonly close: () => Promise<void>;
}

/** Opens the certificate log in `directory` for reading, as {@link openReadOnlyLog} does; `chain` is that of the CA, DER, issuing CA
 * first, root last. Throws LogError as that does. */
export async function openReadOnlyCtLog(
  directory: string,
  chain: readonly Uint8Array[],
): Promise<ReadOnlyCtLog> {
  const identity = await readIdentity(directory);
  const { tree, unreadable, close } = await openReadOnlyLog(directory, {
    identity,
    entries: TILE_LEAVES,
    keys: logKeys(identity),
  });
  return {
    identity,
    reader: logReader(identity, tree, chain),
    tree,
    size: tree.head().head.size,
    frozenAt: tree.frozenAt,
    unreadable,
    close,
  };
}
