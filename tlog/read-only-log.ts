/** A log that this process reads and does not write: one that has ended, or one that is still to be used. */
import { join } from 'node:path';
import { equalBytes } from '../core/bytes.ts';
import { FormatError } from '../core/errors.ts';
import { LogError } from './core/log-error.ts';
import { readLogFile } from './core/log-file.ts';
import type { LogIdentity } from './core/log-identity.ts';
import type { EntryFormat, StoredEntry } from './format/entry-format.ts';
import { leafHashGroups } from './index/hash-group.ts';
import { HashIndex, INDEX_FILE } from './index/hash-index.ts';
import { LazyIndex } from './index/lazy-index.ts';
import type { PublishedTree } from './published-tree.ts';
import { requireStoreOf } from './require-identity.ts';
import { refuseRollback } from './rollback.ts';
import { signedHeadOf, type SignedHead } from './sequence/head-signer.ts';
import { CHECKPOINT_FILE } from './store/checkpoint-file.ts';
import { chooseStores } from './store/choose-stores.ts';
import type { StoredState } from './store/commit-store.ts';
import { rebuildEdge } from './tree/rebuild-edge.ts';
import { RequiredFiles, type UnreadableFiles } from './tree/required-files.ts';
import { TreeTiles } from './tree/tree-tiles.ts';
import {
  requireEverySignature,
  verifyCheckpoint,
  type CheckpointKey,
  type VerifiedCheckpoint,
} from './tree/verify-head.ts';

/** What a log is read with: public keys alone. */
export interface ReadableKind<Stored extends StoredEntry> {
  readonly identity: LogIdentity;
  readonly entries: EntryFormat<Stored>;
  /** Those that sign every checkpoint, in the order of their lines. */
  readonly keys: readonly CheckpointKey[];
}

/** A log that is open for reading. */
export interface ReadOnlyLog<Stored extends StoredEntry> {
  readonly tree: PublishedTree<Stored>;
  /** Files that reads could not have. */
  readonly unreadable: () => UnreadableFiles | undefined;
  /** Ends what runs in the background. Idempotent. */
  readonly close: () => Promise<void>;
}

/**
 * Opens the log in `directory` as it is: at the head of its `checkpoint` file, whose bytes are served as they lie there. Takes no lock
 * and no private key, and changes nothing of the log (`index.db`, which is derived, is made when an entry is looked for by its
 * hash). Reads at most 255 tiles a level; what it holds open afterwards is memory. Throws {@link LogError} when identity,
 * commit store, tiles at the edge and checkpoint do not belong together: `LOG_MISSING`, `LOG_CORRUPT`, `LOG_ROLLED_BACK`,
 * `LOG_STORAGE`.
 */
export async function openReadOnlyLog<Stored extends StoredEntry>(
  directory: string,
  { identity, entries, keys }: ReadableKind<Stored>,
): Promise<ReadOnlyLog<Stored>> {
  const stores = await chooseStores(directory);
  const state = await stores.commits.read();
  requireStoreOf(identity, state);
  const checkpoint = await readLogFile(directory, CHECKPOINT_FILE);
  if (checkpoint === undefined) throw noCheckpoint(directory);
  const signed = signedHead(checkpoint, keys, state);
  const edge = await rebuildEdge(entries, state, stores.tiles);
  await refuseRollback({ log: { entries, keys }, checkpoint, state, edge, tiles: stores.tiles });
  const files = new RequiredFiles(stores.tiles);
  const tiles = new TreeTiles(entries, edge, files);
  const index = new LazyIndex(
    () =>
      new HashIndex(
        { path: join(directory, INDEX_FILE), logId: identity.logId },
        signed.head.size,
        leafHashGroups(async (tile) => tiles.tile(tile)),
      ),
  );
  return {
    tree: { head: () => signed, frozenAt: state.frozenAt, tiles, files, index },
    unreadable: () => files.unreadable,
    close: async () => {
      files.close();
      await index.close();
      await stores.tiles.close?.();
    },
  };
}

/** The checkpoint as a head. One that has ended has exactly the head that its store holds. */
function signedHead(
  checkpoint: Uint8Array,
  keys: readonly CheckpointKey[],
  { head, frozenAt }: StoredState,
): SignedHead {
  const verified = verifiedFile(checkpoint, keys);
  requireEverySignature(verified, keys);
  const { size, root, timestamp = head.timestamp } = verified;
  if (frozenAt !== undefined && (size !== head.size || !equalBytes(root, head.root)))
    throw new LogError('LOG_CORRUPT', `the ${CHECKPOINT_FILE} is not that of the last head of this log`, {
      hint: `Put back the ${CHECKPOINT_FILE} that was signed when the log ended: a copy of the log has it.`,
    });
  return signedHeadOf({ head: { size, root, timestamp }, checkpoint }, keys);
}

function verifiedFile(checkpoint: Uint8Array, keys: readonly CheckpointKey[]): VerifiedCheckpoint {
  try {
    return verifyCheckpoint(checkpoint, keys);
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new LogError('LOG_CORRUPT', `the file ${CHECKPOINT_FILE} is damaged: ${cause.message}`, {
      hint: `Restore it from a copy of the log. A service that writes the log makes it anew.`,
      cause,
    });
  }
}

const noCheckpoint = (directory: string): LogError =>
  new LogError('LOG_MISSING', `${join(directory, CHECKPOINT_FILE)} does not exist`, {
    hint: 'Restore it from a copy of the log, or end the log, which signs its last head.',
  });
