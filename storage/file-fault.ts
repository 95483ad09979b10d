/** Failures of the file system that say which file it was, and what was done with it. */
import { systemCode, messageOf } from '../core/errors.ts';

/** What was done with a file when it failed. */
export type FileAct = 'opened' | 'read' | 'written' | 'synced' | 'renamed' | 'made' | 'removed' | 'copied';

/** The system refused something: `commit.db cannot be synced (EIO: i/o error)`. Node names no file for what is done on
 * an open one. `code` is the system's. */
export class FileFault extends Error {
  readonly code: string | undefined;

  constructor(path: string, act: FileAct, cause: unknown) {
    super(`${path} cannot be ${act} (${reasonOf(cause)})`, { cause });
    this.name = 'FileFault';
    this.code = systemCode(cause);
  }
}

/** `EIO: i/o error` of `EIO: i/o error, fsync`: call and path are said before. */
function reasonOf(cause: unknown): string {
  const message = messageOf(cause);
  return systemCode(cause) === undefined ? message : message.replace(/, .*$/s, '');
}

/** Resolves as `step` does. Rejects with a {@link FileFault}; one from further down stays as it is. */
export async function naming<T>(path: string, act: FileAct, step: Promise<T>): Promise<T> {
  try {
    return await step;
  } catch (error) {
    throw error instanceof FileFault ? error : new FileFault(path, act, error);
  }
}
