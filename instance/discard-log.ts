/** Gives up the log that was to follow the one in use. */
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { equalBytes } from '../core/bytes.ts';
import { openDirectorySource } from '../ct-log/directory-source.ts';
import { syncDirectory } from '../storage/durable-file.ts';
import { isMissing } from '../storage/read-whole.ts';
import { namesIn, openDataDirectory } from './data-directory.ts';
import { systemFault } from './data-directory-error.ts';
import type { DataPaths } from './data-paths.ts';
import { endUnused, NOTHING_LEFT, removeDurably, type Discarded } from './discarded.ts';
import { readLogHistory, type KnownLog } from './known-logs.ts';
import { RotationError } from './rotation-error.ts';
import { shareOwnerOfAll } from './share-owner.ts';
import { isUnnamedKey, stagedLog, unnamedKeys } from './staged-log.ts';

/**
 * Gives up the log that is staged in the data directory at `data`, or what an interrupted staging left. It is empty, so its time ends where it began, in the ledger first;
 * then its keys are removed, and its directory last, which first gets a name that no log has. A crash leaves what the same call finishes. A service that serves it goes on
 * with what it has read, until its next start. Resolves with {@link NOTHING_LEFT} where nothing is staged. Rejects with {@link RotationError} where several logs are, and where the staged one has entries: it was
 * in use once; and with DataDirectoryError, LogError and TrustError. Nothing is changed where it is refused.
 */
export async function discardLog(data: string): Promise<Discarded> {
  const directory = await openDataDirectory(data, { write: true });
  const { paths } = directory;
  const history = await readLogHistory(directory);
  const log = stagedLog(history);
  if (log === undefined) {
    const left = await leftovers(paths);
    for (const path of left) await removeDurably(path);
    return { ...NOTHING_LEFT, removed: left };
  }
  await requireUnused(log);
  const { identity } = log;
  const ended = await endUnused(paths, 'certificateLogs', ({ logId }) => equalBytes(logId, identity.logId));
  const { ecdsaKey, ed25519Key } = log.paths;
  const keys: string[] = [];
  for (const file of [ecdsaKey, ed25519Key, ...Object.values(unnamedKeys(log.paths))])
    if (!(await isMissing(file))) keys.push(file);
  for (const file of keys) await removeDurably(file);
  await removeDurably(await hide(log, paths));
  return { ended, removed: [...keys, log.paths.directory] };
}

/** What it logged is still to be looked up and verified. */
async function requireUnused({ paths, identity }: KnownLog): Promise<void> {
  const { head } = await openDirectorySource(paths.directory);
  // Reading the commit store leaves files beside it.
  await shareOwnerOfAll(paths.directory, paths.identity);
  if (head.size === 0) return;
  throw new RotationError('REFUSED', `${identity.origin} has entries: it was in use once`, {
    hint: 'Say with `mayfly trust end` until when it is trusted, and leave it where it is. If it is the newest that issued certificates, write its name into logs/.current.',
  });
}

/** Moves its directory to where nobody looks for a log, and returns that place. */
async function hide({ paths: { directory, name } }: KnownLog, { logs }: DataPaths): Promise<string> {
  const hidden = join(logs, `.${name}${REMOVED}`);
  await removeDurably(hidden);
  try {
    await rename(directory, hidden);
    await syncDirectory(logs);
  } catch (error) {
    throw systemFault(directory, 'write', error);
  }
  return hidden;
}

const REMOVED = '-removed';

/** Keys whose log was never made, and a log that was given up. */
async function leftovers({ keys, logs }: DataPaths): Promise<readonly string[]> {
  const isHidden = (name: string): boolean => name.startsWith('.') && name.endsWith(REMOVED);
  return [
    ...((await namesIn(keys)) ?? []).filter(isUnnamedKey).map((name) => join(keys, name)),
    ...((await namesIn(logs)) ?? []).filter(isHidden).map((name) => join(logs, name)),
  ];
}
