/** The head that the commands on a log work with. */
import { LogReadError } from '../../tlog/core/log-error.ts';
import {
  requireEverySignature,
  verifyCheckpoint,
  type VerifiedCheckpoint,
} from '../../tlog/tree/verify-head.ts';
import type { LogSource } from '../../ct-log/source.ts';
import { CommandError } from '../program/command.ts';
import { cosignersOf } from './witness-quorum.ts';
import type { LogTarget } from './log-target.ts';

/** For a directory the committed one, for a URL the signed checkpoint. */
export interface SeenHead {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  readonly timestamp: number | undefined;
  /** The checkpoint whose signatures say so; of a directory there is none, as its committed head is newer. */
  readonly checkpoint?: Uint8Array | undefined;
  /** Names of the witnesses that cosigned it, where a policy asks for them. */
  readonly cosignedBy?: readonly string[] | undefined;
}

/** A checkpoint and what it says, its signatures checked, and the cosignatures that the policy of the target asks for: a service has the newest one with these beside its newest one. */
export async function verifiedCheckpoint({ source, keys, policy }: LogTarget): Promise<{
  readonly bytes: Uint8Array;
  readonly head: VerifiedCheckpoint;
  readonly cosignedBy: readonly string[] | undefined;
}> {
  const witnessed = policy === undefined ? undefined : await witnessedAt(source);
  const read = witnessed === undefined ? source.checkpoint() : Promise.resolve(witnessed);
  const bytes = await read.catch((error: unknown) => {
    if (!(error instanceof LogReadError)) throw error;
    throw new CommandError('FAILED', error.message, { hint: error.hint });
  });
  const head = verifyCheckpoint(bytes, keys);
  return { bytes, head, cosignedBy: policy === undefined ? undefined : cosignersOf(bytes, policy) };
}

/** Undefined of a log that has none apart. */
async function witnessedAt(source: LogSource): Promise<Uint8Array | undefined> {
  try {
    return await source.witnessedCheckpoint?.();
  } catch (error) {
    if (error instanceof LogReadError) return undefined;
    throw error;
  }
}

/** The newest head; throws what reading and checking the checkpoint throw. Every key that is known must have signed it:
 * a signature that nobody can use is noticed here, and not by the verifier that needs it. */
export async function headOf(log: LogTarget): Promise<SeenHead> {
  if (log.directory === undefined) {
    const { bytes, head, cosignedBy } = await verifiedCheckpoint(log);
    requireEverySignature(head, log.keys);
    const { origin, size, root, timestamp } = head;
    return { origin, size, root, timestamp, checkpoint: bytes, cosignedBy };
  }
  // What is committed is newer than what witnesses have seen.
  const cosignedBy = log.policy === undefined ? undefined : (await verifiedCheckpoint(log)).cosignedBy;
  return { ...log.directory.head, origin: log.directory.identity.origin, cosignedBy };
}
