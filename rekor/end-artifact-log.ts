import type { Clock } from '../core/clock.ts';
import type { Signer } from '../signers/signer.ts';
import { LogError } from '../tlog/core/log-error.ts';
import { freezeLog } from '../tlog/freeze.ts';
import { chooseStores } from '../tlog/store/choose-stores.ts';
import type { Head } from '../tlog/store/commit-store.ts';
import { readArtifactLogIdentity, type ArtifactLogIdentity } from './log-identity.ts';
import { checkpointKey } from './log-key.ts';
import { openArtifactLog } from './open-artifact-log.ts';

/** A log of artifacts that has ended. */
export interface EndedArtifactLog {
  readonly identity: ArtifactLogIdentity;
  /** Its last head. */
  readonly head: Head;
  /** Milliseconds since the epoch. */
  readonly frozenAt: number;
}

/**
 * Ends a log that no process writes: opens it as a service does, so that everything that is committed is recovered and its last head is signed; then
 * notes the end. A log that has ended stays as it is. Throws LogError: `LOG_LOCKED` while another process writes, and what opening and {@link freezeLog} throw. A
 * crash leaves the log open, or ended; the same call finishes.
 */
export async function endArtifactLog(
  directory: string,
  signer: Signer,
  clock: Clock,
): Promise<EndedArtifactLog> {
  const before = await endedArtifactLog(directory);
  if (before !== undefined) return before;
  const identity = await readArtifactLogIdentity(directory);
  const log = await openArtifactLog({ directory, signer, clock });
  await log.close();
  const { checkpointFailure } = log.status();
  if (checkpointFailure !== undefined)
    throw new LogError(
      'LOG_STORAGE',
      `the checkpoint of the last head is not written: ${checkpointFailure}`,
      {
        hint: 'The log has not ended. Free space, or find what is in the way, and end it again.',
      },
    );
  const { head, frozenAt } = await freezeLog(directory, identity, [checkpointKey(identity)], clock);
  return { identity, head, frozenAt };
}

/** A log that has ended, as it is; undefined for one that has not. Needs no key. Throws LogError. */
export async function endedArtifactLog(directory: string): Promise<EndedArtifactLog | undefined> {
  const { head, frozenAt } = await (await chooseStores(directory)).commits.read();
  if (frozenAt === undefined) return undefined;
  return { identity: await readArtifactLogIdentity(directory), head, frozenAt };
}
