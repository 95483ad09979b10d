import type { Clock } from '../core/clock.ts';
import { LogError } from '../tlog/core/log-error.ts';
import { freezeLog } from '../tlog/freeze.ts';
import type { LogStatus } from '../tlog/log-status.ts';
import type { WitnessSettings } from '../tlog/sequence/witnesses.ts';
import { notedAnchor, type AnchorPlace } from '../tlog/store/head-anchor.ts';
import type { Head } from '../tlog/store/commit-store.ts';
import { openCtLog } from './ct-log.ts';
import { readIdentity, type CtLogIdentity } from './log-identity.ts';
import { logKeys, type LogSigners } from './log-keys.ts';
import { describeCtLog } from './published-description.ts';

/** A certificate log that is to end. */
interface EndingLog {
  readonly directory: string;
  readonly signers: LogSigners;
  /** The CA chain, DER, issuing CA first, root last. */
  readonly chain: readonly Uint8Array[];
  readonly clock: Clock;
  /** What its last head is held to, `noted`: the one that it was written with last. Default: none, and none is noted any more. */
  readonly anchor?: AnchorPlace | 'noted' | undefined;
  /** Who cosigns its last head, each asked once; default: nobody. What its head was cosigned with before stays. */
  readonly witnesses?: WitnessSettings | undefined;
}

/** A certificate log that has ended. */
export interface EndedLog {
  readonly identity: CtLogIdentity;
  /** Its last head. */
  readonly head: Head;
  /** Milliseconds since the epoch. */
  readonly frozenAt: number;
}

/**
 * Ends a log that no process writes: opens it as a service does, so that everything that is committed is recovered and its last
 * head is signed; then notes the end. A log that has ended stays as it is. The lock keeps a service from writing meanwhile. Throws
 * LogError: `LOG_LOCKED` while another process writes, and what opening and {@link freezeLog} throw. A crash leaves the log
 * open, or ended; the same call finishes.
 */
export async function endCtLog(ending: EndingLog): Promise<EndedLog> {
  const { directory, clock } = ending;
  const identity = await readIdentity(directory);
  const log = await openCtLog({
    ...ending,
    anchor: ending.anchor === 'noted' ? await notedAnchor(directory) : ending.anchor,
  });
  await log.close();
  requireCheckpoint(log.status());
  const describe = describeCtLog(identity, {});
  const { head, frozenAt } = await freezeLog(directory, identity, logKeys(identity), clock, describe);
  return { identity, head, frozenAt };
}

/** The end is that of a head whose checkpoint is where readers look for it, with what they need to check it. Throws `LOG_STORAGE`. */
function requireCheckpoint({ checkpointFailure, descriptionFailure }: LogStatus): void {
  if (checkpointFailure === undefined && descriptionFailure === undefined) return;
  const what =
    checkpointFailure === undefined
      ? `what the log says of itself is not written: ${descriptionFailure ?? ''}`
      : `the checkpoint of the last head is not written: ${checkpointFailure}`;
  throw new LogError('LOG_STORAGE', what, {
    hint: 'The log has not ended. Free space, or find what is in the way, and end it again.',
  });
}
