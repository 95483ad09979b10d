import { mkdtemp, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { systemCode, messageOf } from '../core/errors.ts';
import { makeDirectory, syncDirectory } from '../storage/durable-file.ts';
import { chooseStores } from './store/choose-stores.ts';
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
}

/**
 * Makes the directory of a new log: its identity and the empty, unsigned head. All or nothing: it is built beside and
 * renamed into place, so a crash leaves at most a directory `.NAME-…` that nobody reads. Throws {@link LogError}
 * `LOG_EXISTS` when something is there already, `LOG_STORAGE` or `LOG_UNSUITABLE_STORAGE`.
 */
export async function createLog({ directory, identity, createdAt }: NewLog): Promise<void> {
  const parent = dirname(directory);
  await makeDirectory(parent).catch((error: unknown) => {
    throw new LogError('LOG_STORAGE', `the directory ${parent} cannot be made: ${messageOf(error)}`, {
      cause: error,
    });
  });
  await judgeStorage(parent);
  const building = await mkdtemp(join(parent, `.${basename(directory)}-`));
  try {
    const head = { size: 0, root: sha256(new Uint8Array()), timestamp: createdAt };
    await chooseStores(building).commits.create(identity, head);
    await writeIdentity(building, identity);
    await rename(building, directory);
  } catch (error) {
    await rm(building, { recursive: true, force: true });
    if (['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(systemCode(error) ?? '')) throw existsError(directory);
    throw error;
  }
  await syncDirectory(parent);
}

const existsError = (directory: string): LogError =>
  new LogError('LOG_EXISTS', `${directory} already holds something`, {
    hint: 'A log is never overwritten. Name another directory, or another origin for a new log.',
  });
