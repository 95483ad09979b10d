/** The end of a log: from then on it has one head, and never gets another one. */
import { join } from 'node:path';
import { equalBytes } from '../core/bytes.ts';
import type { Clock } from '../core/clock.ts';
import { writeDurably } from '../storage/durable-file.ts';
import { CHECKPOINT_FILE } from './store/checkpoint-file.ts';
import { chooseStores } from './store/choose-stores.ts';
import type { Head } from './store/commit-store.ts';
import { LogError } from './core/log-error.ts';
import { readLogFile } from './core/log-file.ts';
import type { LogIdentity } from './core/log-identity.ts';
import type { DescribeLog } from './log-kind.ts';
import { requireStoreOf } from './require-identity.ts';
import { verifyCheckpoint, type CheckpointKey } from './tree/verify-head.ts';

/** A log that has ended. */
interface FrozenLog {
  /** Its last head. */
  readonly head: Head;
  /** Milliseconds since the epoch, when it ended. */
  readonly frozenAt: number;
}

/**
 * Ends the log in `directory`: the commit store then says so, and no program appends to it any more, an
 * older version included: it does not know the format. To be called when
 * the log was opened and closed before, so that its checkpoint file holds the signed form of the last head; it is made
 * durable here. Where others read its tile store in the place of the service, what it says of itself there is of its end before that is noted: `describe` makes it. A log that has ended stays as it is. Throws {@link LogError}: `LOG_LOCKED` while another process writes,
 * `LOG_HEAD_MOVED` when one has written since the checkpoint, and what opening throws. A crash here leaves the log open or
 * ended; one that is open may be called ended in that store, until it is opened again.
 */
export async function freezeLog(
  directory: string,
  identity: LogIdentity,
  keys: readonly CheckpointKey[],
  clock: Clock,
  describe?: DescribeLog,
): Promise<FrozenLog> {
  const path = join(directory, CHECKPOINT_FILE);
  const { commits, tiles } = await chooseStores(directory);
  const freezing = commits.whileLocked(async (store) => {
    requireStoreOf(identity, store.state);
    const { head, frozenAt } = store.state;
    // A torn transaction may lie behind the last head: that head is signed, and the log was opened for this, which judged it.
    if (frozenAt !== undefined) return { head, frozenAt };
    const checkpoint = await readLogFile(directory, CHECKPOINT_FILE);
    if (checkpoint === undefined) throw new LogError('LOG_MISSING', `${path} does not exist`);
    requireLast(head, checkpoint, keys);
    await writeDurably(path, checkpoint, 0o644);
    const now = clock();
    const { published } = tiles;
    if (published !== undefined && describe !== undefined)
      await published.putDescription(describe(await published.description(), { ...head, frozenAt: now }));
    await store.end(now);
    return { head, frozenAt: now };
  });
  return freezing.finally(() => tiles.close?.());
}

function requireLast(head: Head, checkpoint: Uint8Array, keys: readonly CheckpointKey[]): void {
  const { size, root } = verifyCheckpoint(checkpoint, keys);
  if (size === head.size && equalBytes(root, head.root)) return;
  throw new LogError('LOG_HEAD_MOVED', 'the log has gone on since its checkpoint was written', {
    hint: 'Stop the service, then end its log again.',
  });
}
