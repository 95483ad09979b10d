/** Makes the key of the log of artifacts that is to follow the one in use. */
import { rm } from 'node:fs/promises';
import { rfc3339, type Clock } from '../core/clock.ts';
import { ARTIFACT_KEY_TYPES } from '../rekor/log-key.ts';
import { readArtifactLogIdentity, type ArtifactApi } from '../rekor/log-identity.ts';
import { writeStagedLog, type StagedArtifactLog } from '../rekor/staged-log.ts';
import { generateKey } from '../signers/key-types.ts';
import { shareOwner } from '../storage/durable-file.ts';
import type { ArtifactLogPaths } from './artifact-logs.ts';
import { systemFault } from './data-directory-error.ts';
import type { DataPaths } from './data-paths.ts';
import { openKey } from './open-key.ts';
import { passphraseForNewKey, writeNewKey } from './private-key-file.ts';
import { RotationError } from './rotation-error.ts';
import {
  keyAlone,
  readArtifactHistory,
  requireTrustedStaged,
  requireUnknownKey,
} from './staged-artifact-log.ts';

/** What is to be made. */
interface StageArtifactRequest {
  readonly paths: DataPaths;
  readonly api: ArtifactApi;
  /** Its name; default: that of the log in use. */
  readonly host: string | undefined;
  /** Opens the keys of the directory, and encrypts the new one if those are. */
  readonly passphrase: string | undefined;
  readonly clock: Clock;
}

/** A log of artifacts that is staged. */
export interface StagedArtifact {
  readonly current: ArtifactLogPaths;
  readonly next: ArtifactLogPaths;
  readonly staged: StagedArtifactLog;
  /** False when it was staged before. */
  readonly isNew: boolean;
}

/**
 * Makes the key of the log that is to follow the one in use, and writes down what it is for: from then on verifiers may be given it. The log itself begins when the one before
 * it has ended. Takes no lock of that one, so that a service may run. Each step is durable, and after a crash the same call finishes: the key, then what it is for. Rejects
 * with {@link RotationError}, DataDirectoryError, LogError, KeyFileError and TrustError.
 */
export async function stageArtifactLog(request: StageArtifactRequest): Promise<StagedArtifact> {
  const { paths, api, passphrase, clock } = request;
  const history = await readArtifactHistory(paths, api);
  const { current, next, staged } = history;
  if (staged !== undefined) {
    requireSameHost(next, staged, request.host);
    await requireTrustedStaged(history, paths, clock());
    await openKey(next.key, { passphrase });
    return { current, next, staged, isNew: false };
  }
  const before = await readArtifactLogIdentity(current.directory);
  if (clock() <= before.createdAt) throw clockBehind(current, before.createdAt);
  const host = request.host ?? before.host;
  const left = await keyAlone(history);
  if (left === 'whole') await requireUnknownKey(history, paths, passphrase);
  else await makeKey(next, request);
  const { publicKey } = await openKey(next.key, { passphrase });
  const made = await writeStagedLog(next.staged, { api, host, publicKey, createdAt: clock() });
  await shareOwner(next.staged, current.identity).catch((error: unknown) => {
    throw systemFault(next.staged, 'write', error);
  });
  return { current, next, staged: made, isNew: true };
}

function requireSameHost({ name }: ArtifactLogPaths, { host }: StagedArtifactLog, wanted = host): void {
  if (wanted === host) return;
  throw new RotationError('REFUSED', `${name} is staged already, with the name ${host}`, {
    hint: 'Put that one in use with --switch; or give it up with --discard, and stage another one.',
  });
}

/** Shows that the passphrase is the one of the other keys, before a key has another one. */
async function makeKey(
  { key, api }: ArtifactLogPaths,
  { paths, passphrase }: StageArtifactRequest,
): Promise<void> {
  const shared = await passphraseForNewKey(paths, key, passphrase);
  // Nothing, or what a crash left of writing it.
  await rm(key, { force: true });
  await writeNewKey(paths, key, await generateKey(ARTIFACT_KEY_TYPES[api]), shared);
}

const clockBehind = ({ name }: ArtifactLogPaths, createdAt: number): RotationError =>
  new RotationError('REFUSED', `the clock is behind ${rfc3339(createdAt)}, when ${name} was made`, {
    hint: 'Set the clock, and stage the log again.',
  });
