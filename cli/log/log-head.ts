/** The head that the commands on a log work with. */
import { LogReadError } from '../../tlog/core/log-error.ts';
import {
  requireEverySignature,
  verifyCheckpoint,
  type VerifiedCheckpoint,
} from '../../tlog/tree/verify-head.ts';
import { CommandError } from '../program/command.ts';
import type { LogTarget } from './log-target.ts';

/** For a directory the committed one, for a URL the signed checkpoint. */
export interface SeenHead {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  readonly timestamp: number | undefined;
  /** The checkpoint whose signatures say so; of a directory there is none, as its committed head is newer. */
  readonly checkpoint?: Uint8Array | undefined;
}

/** A checkpoint and what it says, its signatures checked. */
export async function verifiedCheckpoint({
  source,
  keys,
}: LogTarget): Promise<{ bytes: Uint8Array; head: VerifiedCheckpoint }> {
  const bytes = await source.checkpoint().catch((error: unknown) => {
    if (!(error instanceof LogReadError)) throw error;
    throw new CommandError('FAILED', error.message, { hint: error.hint });
  });
  return { bytes, head: verifyCheckpoint(bytes, keys) };
}

/** The newest head; throws what reading and checking the checkpoint throw. Every key that is known must have signed it:
 * a signature that nobody can use is noticed here, and not by the verifier that needs it. */
export async function headOf(log: LogTarget): Promise<SeenHead> {
  if (log.directory === undefined) {
    const { bytes, head } = await verifiedCheckpoint(log);
    requireEverySignature(head, log.keys);
    const { origin, size, root, timestamp } = head;
    return { origin, size, root, timestamp, checkpoint: bytes };
  }
  return { ...log.directory.head, origin: log.directory.identity.origin };
}
