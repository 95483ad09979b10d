import { rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemCode, messageOf } from '../core/errors.ts';
import { makeDirectory, syncDirectory } from '../storage/durable-file.ts';
import { naming } from '../storage/file-fault.ts';
import { makeUnfinished } from '../storage/make-directory.ts';
import { chooseStores } from './store/choose-stores.ts';
import { writeStorePlaces, type StorePlaces } from './store/store-places.ts';
import { LogError } from './core/log-error.ts';
import { writeIdentity, type LogIdentity } from './core/log-identity.ts';
import { sha256 } from './core/sha256.ts';
import { judgeStorage } from './judge-storage.ts';

/** A log to be made. */
interface NewLog {
  /** Where it will be; must not exist, or be empty. */
  readonly directory: string;
  /** Its keys are used by no other log. */
  readonly identity: LogIdentity;
  /** Milliseconds since the epoch: the time of the empty head. */
  readonly createdAt: number;
  /** Where its stores are to be; default: in the directory. */
  readonly places?: StorePlaces | undefined;
}

/**
 * Makes the directory of a new log: its identity and the empty, unsigned head. All or nothing: it is built beside and
 * renamed into place, so a crash leaves at most a directory `.NAME-…` that nobody reads: see {@link removeUnfinished}. Throws {@link LogError}
 * `LOG_EXISTS` when something is there already, `LOG_STORAGE` or `LOG_UNSUITABLE_STORAGE`, and FileFault.
 */
export async function createLog({ directory, identity, createdAt, places = {} }: NewLog): Promise<void> {
  const parent = dirname(directory);
  await makeDirectory(parent).catch((error: unknown) => {
    throw new LogError('LOG_STORAGE', `the directory ${parent} cannot be made: ${messageOf(error)}`, {
      cause: error,
    });
  });
  await judgeStorage(parent);
  const building = await naming(parent, 'written', makeUnfinished(directory));
  try {
    const head = { size: 0, root: sha256(new Uint8Array()), timestamp: createdAt };
    await writeStorePlaces(building, { ...places, logId: identity.logId });
    const { commits } = await chooseStores(building);
    await commits.create(identity, head);
    await writeIdentity(building, identity);
    await naming(directory, 'renamed', rename(building, directory));
  } catch (error) {
    // The fault that came first is the one to report.
    await rm(building, { recursive: true, force: true }).catch(() => undefined);
    if (['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(systemCode(error) ?? '')) throw existsError(directory);
    throw error;
  }
  await syncDirectory(parent);
}

const existsError = (directory: string): LogError =>
  new LogError('LOG_EXISTS', `${directory} already holds something`, {
    hint: 'A log is never overwritten. Name another directory, or another origin for a new log.',
  });
