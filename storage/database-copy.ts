/**
 * Looks into a SQLite database without touching it. SQLite changes what it opens: it copies the WAL into the database
 * when the last connection closes, and the WAL of another database, or a damaged one, is gone then. So both files are
 * copied, and the copy is opened, before anything is opened for good.
 */
import { constants, copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { FileFault, type FileAct } from './file-fault.ts';

/** How the names of the directories begin that hold a copy of the database at `path`, beside it. */
const prefixOf = (path: string): string => `.opening-${basename(path)}-`;

/** A copy while it is looked at. */
interface DatabaseCopy {
  readonly path: string;
  /** Copies the WAL, too: until then the database is as it is without it. */
  addWal(): void;
}

/** Copies the database at `path`, hands the copy to `look`, and removes it. Throws a {@link FileFault} that names the file
 * of which the copy failed, and what `look` throws. A crash leaves the copy; see {@link removeCopies}. */
export function lookAtCopy<T>(path: string, look: (copy: DatabaseCopy) => T): T {
  const directory = dirname(path);
  const scratch = naming(directory, 'written', () => mkdtempSync(join(directory, prefixOf(path))));
  try {
    const copy = join(scratch, basename(path));
    naming(path, 'copied', () => {
      copyFileSync(path, copy, constants.COPYFILE_FICLONE);
    });
    const addWal = (): void => {
      const wal = `${path}-wal`;
      naming(wal, 'copied', () => {
        if (existsSync(wal)) copyFileSync(wal, `${copy}-wal`, constants.COPYFILE_FICLONE);
      });
    };
    return look({ path: copy, addWal });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Removes copies of the database at `path` that a crash left, as far as the system lets it. They are of no use, and do no
 * harm. Only for the one process that opens the database. */
export function removeCopies(path: string): void {
  const directory = dirname(path);
  try {
    for (const name of readdirSync(directory))
      if (name.startsWith(prefixOf(path))) rmSync(join(directory, name), { recursive: true, force: true });
  } catch {
    // Copies of another user, say.
  }
}

function naming<T>(path: string, act: FileAct, step: () => T): T {
  try {
    return step();
  } catch (error) {
    throw new FileFault(path, act, error);
  }
}
