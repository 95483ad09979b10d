/** Names of rotated files, and which of them are kept. */
import { lstat, readdir, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { systemCode } from '../core/errors.ts';

/** `audit.jsonl` becomes `audit.jsonl.20261122T145150123Z`, so that the order of names is that of time. */
const stamp = (now: number): string => new Date(now).toISOString().replace(/[-:.]/g, '');

/** A second file of the same millisecond, or of a clock that was set back, gets `-2`, `-3`, … */
const ROTATED = /^\.\d{8}T\d{9}Z(?:-\d+)?$/;

/** Renames the file at `path`; resolves to its new name. An existing file is never replaced. */
export async function rotateFile(path: string, now: number): Promise<string> {
  const wanted = `${path}.${stamp(now)}`;
  let name = wanted;
  for (let n = 2; await exists(name); n++) name = `${wanted}-${n}`;
  await rename(path, name);
  return name;
}

/** Removes the oldest rotated files, so that `keep` are left; resolves to the names that are gone. */
export async function removeOldest(path: string, keep: number): Promise<string[]> {
  const directory = dirname(path);
  const base = basename(path);
  const isRotated = (name: string): boolean => name.startsWith(base) && ROTATED.test(name.slice(base.length));
  const rotated = (await readdir(directory)).filter(isRotated).sort(byTime);
  const old = rotated.slice(0, Math.max(0, rotated.length - keep)).map((name) => join(directory, name));
  for (const name of old) await unlink(name);
  return old;
}

/** By the time in the name, then by its number. */
function byTime(one: string, other: string): number {
  return one.localeCompare(other, 'en', { numeric: true });
}

const exists = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    (error: unknown) => {
      if (systemCode(error) === 'ENOENT') return false;
      throw error;
    },
  );
