import { rm } from 'node:fs/promises';
import { createArtifactLog } from '../rekor/create-artifact-log.ts';
import type { ArtifactApi, ArtifactLogIdentity } from '../rekor/log-identity.ts';
import { ARTIFACT_KEY_TYPES } from '../rekor/log-key.ts';
import type { Clock } from '../core/clock.ts';
import { localSigner } from '../signers/local-signer.ts';
import { writeKeyPem } from '../signers/key-file.ts';
import { generateKey } from '../signers/key-types.ts';
import { shareOwner, syncDirectory, writeNew } from '../storage/durable-file.ts';
import { isMissing } from '../storage/read-whole.ts';
import { placesFor, type StorePlaces } from '../tlog/store/store-places.ts';
import { artifactLogPaths } from './artifact-logs.ts';
import { DataDirectoryError, systemFault } from './data-directory-error.ts';
import type { DataPaths } from './data-paths.ts';
import { shareOwnerOfAll } from './share-owner.ts';

/** A log of artifacts that a data directory is to have. */
interface NewDirectoryLog {
  readonly api: ArtifactApi;
  /** Of the public URL: no port, no path. */
  readonly host: string;
  /** Encrypts its key. */
  readonly passphrase: string | undefined;
  /** Those that all logs of the directory have in common; default: the directory. */
  readonly places?: StorePlaces | undefined;
  readonly clock: Clock;
}

/** Makes the log of that API with a key of its own. A crash leaves nothing, a key alone, which the next try refuses to use and says so, or the log. Rejects with DataDirectoryError, and
 * with LogError as {@link createArtifactLog} does. */
export async function createDirectoryLog(
  paths: DataPaths,
  { api, host, passphrase, places = {}, clock }: NewDirectoryLog,
): Promise<ArtifactLogIdentity> {
  const { directory, key: file, name } = artifactLogPaths(paths, api);
  if (!(await isMissing(file)) && (await isMissing(directory))) throw keyWithoutLog(file, directory);
  const key = await generateKey(ARTIFACT_KEY_TYPES[api]);
  try {
    await writeNew(file, writeKeyPem(key, passphrase), 0o600);
    await shareOwner(file, paths.keys);
    await syncDirectory(paths.keys);
  } catch (error) {
    throw systemFault(file, 'write', error);
  }
  const identity = await createArtifactLog({
    directory,
    api,
    host,
    signer: localSigner(key),
    places: placesFor(places, `artifacts-${name}`),
    clock,
  }).catch(async (error: unknown) => {
    // It signed nothing that anyone has seen. Where a log is there, the key may be that of the log.
    if (await isMissing(directory)) await rm(file, { force: true });
    throw error;
  });
  await shareOwner(paths.artifacts, paths.logs);
  await shareOwnerOfAll(directory, paths.logs);
  return identity;
}

/** A key signs one tree for ever: one whose log is lost must never begin another. */
const keyWithoutLog = (file: string, directory: string): DataDirectoryError =>
  new DataDirectoryError('DIRECTORY_DAMAGED', `${file} is there, and its log ${directory} is not`, {
    hint:
      'If it ever took entries, put its newest copy back, of when it took the last one. Never an older one: move the key away, too, and end its time, as in ' +
      'docs/rotation.md, "A restored backup". If only its making was interrupted, remove the key and run the command again.',
  });
