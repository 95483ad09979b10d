/** Puts the staged log in use, and ends those before it. */
import type { Clock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import { openDirectorySource } from '../ct-log/directory-source.ts';
import { endCtLog } from '../ct-log/end-log.ts';
import { requireSigners } from '../ct-log/log-keys.ts';
import { openReadOnlyCtLog } from '../ct-log/read-only-log.ts';
import { shareOwner } from '../storage/durable-file.ts';
import { LogError } from '../tlog/core/log-error.ts';
import { setCurrentLog } from './certificate-logs.ts';
import { openDataDirectory, type DataDirectory } from './data-directory.ts';
import { readLogHistory, type KnownLog } from './known-logs.ts';
import { noteLogTime } from './log-times.ts';
import { openLogKeys } from './open-key.ts';
import { RotationError } from './rotation-error.ts';
import { shareOwnerOfAll } from './share-owner.ts';
import { noLogStaged, requireTrustedLog, stagedLog } from './staged-log.ts';

/** What is to be done. */
interface SwitchRequest {
  /** The data directory. */
  readonly data: string;
  /** The CA chain, DER, issuing CA first, root last. */
  readonly chain: readonly Uint8Array[];
  /** Opens the keys of the logs. */
  readonly passphrase: string | undefined;
  readonly clock: Clock;
}

/** A log that was in use before. */
export interface FormerLog extends KnownLog {
  /** When it ended, and the time of its last head, in milliseconds since the epoch; undefined when it has not ended. */
  readonly end?: { readonly frozenAt: number; readonly size: number; readonly timestamp: number };
  /** Why it has not; undefined when a service still writes it, which ends it at its next start. */
  readonly failure?: string;
}

/** The logs afterwards. */
interface SwitchedLogs {
  readonly current: KnownLog;
  /** False when it was in use before. */
  readonly isNew: boolean;
  /** Those that were in use before, oldest first. */
  readonly former: readonly FormerLog[];
  /** Which of these cannot be read and so not be ended, a sentence each. */
  readonly unreadable: readonly string[];
}

/**
 * Puts the staged log in use, from the next start of the service on, and ends the logs before it with their own keys. A service that runs goes
 * on with its log until it ends; its next start ends that log. The order makes a crash harmless: first the one line that says which log is
 * in use, then the ends. A start in between takes the new log and ends the old one, and so does the same call.
 * Rejects with {@link RotationError} when no log is staged, and with DataDirectoryError, LogError and KeyFileError when the staged one
 * cannot be used: then nothing was changed.
 */
export async function switchLog(request: SwitchRequest): Promise<SwitchedLogs> {
  const { data, chain, passphrase } = request;
  const directory = await openDataDirectory(data, { write: true });
  const history = await readLogHistory(directory);
  const { current, former } = history;
  const next = stagedLog(history);
  if (next === undefined && former.length === 0) throw noLogStaged(history);
  if (next !== undefined) {
    await requireTrustedLog(next, directory.paths, request.clock());
    await requireUsable(next, chain, passphrase);
    await putInUse(next, directory, request.clock());
  }
  const ended: FormerLog[] = [];
  for (const log of next === undefined ? former : [...former, current])
    ended.push(await endFormer(log, request));
  const { unreadable } = history;
  return { current: next ?? current, isNew: next !== undefined, former: ended, unreadable };
}

/** Has each start from now on take that log, and end those before it, and notes the time `now`, milliseconds since the epoch; durable on return. A crash leaves the one before in use, or this one. Rejects with DataDirectoryError; then
 * it is not known which. */
export async function putInUse(
  { paths }: Pick<KnownLog, 'paths'>,
  directory: Pick<DataDirectory, 'paths'>,
  now: number,
): Promise<void> {
  // Before it is in use: what is noted of a log that is not counts for nothing.
  await noteLogTime(directory.paths, 'inUse', paths.name, now);
  await shareOwnerOfAll(paths.directory, paths.identity);
  await setCurrentLog(directory.paths, paths.name);
  await shareOwner(directory.paths.currentLog, directory.paths.logs);
}

/** What `serve` will need of it. */
async function requireUsable(
  { paths, identity }: KnownLog,
  chain: readonly Uint8Array[],
  passphrase: string | undefined,
): Promise<void> {
  const log = await openReadOnlyCtLog(paths.directory, chain);
  await log.close();
  requireSigners(identity, await openLogKeys(paths, passphrase));
  if (log.frozenAt === undefined) return;
  throw new RotationError('REFUSED', `${identity.origin} is staged, but it has ended`, {
    hint: 'Give it up with --discard, and stage another log.',
  });
}

async function endFormer(log: KnownLog, { chain, passphrase, clock }: SwitchRequest): Promise<FormerLog> {
  const { paths } = log;
  try {
    const { frozenAt, head } = await openDirectorySource(paths.directory);
    // Reading the commit store leaves files beside it.
    await shareOwnerOfAll(paths.directory, paths.identity);
    // Its keys may be deleted.
    if (frozenAt !== undefined)
      return { ...log, end: { frozenAt, size: head.size, timestamp: head.timestamp } };
    const signers = await openLogKeys(paths, passphrase);
    const { directory } = paths;
    const ended = await endCtLog({
      directory,
      signers,
      chain,
      clock,
      anchor: 'noted',
    });
    await shareOwnerOfAll(paths.directory, paths.identity);
    const { size, timestamp } = ended.head;
    return { ...log, end: { frozenAt: ended.frozenAt, size, timestamp } };
  } catch (error) {
    if (error instanceof LogError && error.code === 'LOG_LOCKED') return log;
    return { ...log, failure: messageOf(error) };
  }
}
