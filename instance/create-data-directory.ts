import { mkdir, readFile, rm } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { utf8 } from '../core/bytes.ts';
import { rfc3339, type Clock } from '../core/clock.ts';
import { systemCode } from '../core/errors.ts';
import { DataDirectoryError, systemFault } from './data-directory-error.ts';
import { namesIn, unfinished } from './data-directory.ts';
import { markerText, type Mode } from './data-marker.ts';
import { dataPaths, type DataPaths } from './data-paths.ts';
import { makeDirectory, syncDirectory, writeDurably, writeNew } from '../storage/durable-file.ts';

const PARTS = ['ca', 'keys', 'logs'] as const;

/**
 * Makes a data directory and has `build` fill it; the directories are there (0700) when `build` runs, `config.yaml`
 * and everything else is `build`'s to write.
 *
 * The order makes every crash recognisable: `mayfly.unfinished` first, then everything else, then `mayfly.json`. So
 * a directory without `mayfly.json` has never issued anything and can be deleted. When `build` throws, what was made
 * is removed again. (Building elsewhere and renaming would be simpler, but a mounted volume cannot be renamed over.)
 *
 * Throws {@link DataDirectoryError} when something is there already: nothing is ever overwritten.
 */
export async function createDataDirectory<T>(
  directory: string,
  mode: Mode,
  clock: Clock,
  build: (paths: DataPaths) => Promise<T>,
): Promise<T> {
  const paths = dataPaths(resolve(directory));
  const before = await namesIn(paths.root);
  refuseOccupied(paths, before ?? []);
  await takeDirectory(paths, mode, clock);
  try {
    for (const part of PARTS) await mkdir(join(paths.root, part), { mode: 0o700 });
    const result = await build(paths);
    await finish(paths, mode, clock);
    return result;
  } catch (error) {
    await undo(paths, before === undefined);
    throw error;
  }
}

/** Removes what a process that ended while it made a directory for `dev` has left of it; resolves to whether there was
 * such a thing. What was to be for production is left alone: somebody may look for a root key. */
export async function discardUnfinished(directory: string): Promise<boolean> {
  const paths = dataPaths(resolve(directory));
  const note = await readFile(paths.unfinished, 'utf8').catch(() => '');
  const [, maker] = / for dev by process (\d+)\n$/.exec(note) ?? [];
  if (maker === undefined || isAtWork(Number(maker))) return false;
  await undo(paths, false);
  return true;
}

/** A process with the id of this one was another one, which has ended: in a container ids begin anew. */
function isAtWork(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return systemCode(error) !== 'ESRCH';
  }
}

/** Takes the directory for this process: of two, only one can make the file. */
async function takeDirectory(paths: DataPaths, mode: Mode, clock: Clock): Promise<void> {
  const note = `in the making since ${rfc3339(clock())} for ${mode} by process ${process.pid}\n`;
  try {
    await makeDirectory(paths.root);
    await writeNew(paths.unfinished, note, 0o600);
    await syncDirectory(paths.root);
  } catch (error) {
    if (systemCode(error) === 'EEXIST') throw unfinished(paths.root);
    throw systemFault(paths.root, 'write', error);
  }
  // Another process may have finished between our look and our taking it; what it made is not ours to touch.
  const others = ((await namesIn(paths.root)) ?? []).filter((name) => name !== basename(paths.unfinished));
  if (others.length === 0) return;
  await rm(paths.unfinished);
  refuseOccupied(paths, others);
}

async function finish(paths: DataPaths, mode: Mode, clock: Clock): Promise<void> {
  for (const part of PARTS) await syncDirectory(join(paths.root, part));
  await writeDurably(paths.marker, utf8(markerText({ version: 1, mode, createdAt: clock() })), 0o600);
  // A crash here leaves both files; the marker decides.
  await rm(paths.unfinished);
  await syncDirectory(paths.root);
}

async function undo(paths: DataPaths, rootIsOurs: boolean): Promise<void> {
  const names = ((await namesIn(paths.root)) ?? []).filter((name) => name !== basename(paths.unfinished));
  for (const name of names) await rm(join(paths.root, name), { recursive: true, force: true });
  // Last, so that a crash in between still says what this is.
  await rm(paths.unfinished, { force: true });
  if (rootIsOurs) await rm(paths.root, { recursive: true, force: true });
}

function refuseOccupied(paths: DataPaths, names: readonly string[]): void {
  if (names.includes(basename(paths.marker)))
    throw new DataDirectoryError('DIRECTORY_EXISTS', `${paths.root} holds a Mayfly instance already`, {
      hint: 'Nothing was changed. Start it with `mayfly serve`, or name another directory with --data.',
    });
  if (names.includes(basename(paths.unfinished))) throw unfinished(paths.root);
  if (names.length > 0)
    throw new DataDirectoryError('DIRECTORY_FOREIGN', `${paths.root} is not empty and not Mayfly's`, {
      hint: 'Nothing was changed. Name an empty or new directory with --data.',
    });
}
