/** Which entries of artifact logs have a line in the file of an audit: looked for after a crash, at its end. */
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { systemCode } from '../core/errors.ts';

/** Bytes of the newest lines that are read: many times what is written in the seconds that are in doubt. */
const TAIL = 64 * 1024 * 1024;

/** Those of the leaf hashes (hexadecimal) that a line of that log has in the newest 64 MiB of the file, or of the one that was rotated last. Rejects with the system's error. */
export async function loggedInFile(
  path: string,
  log: string,
  hashes: ReadonlySet<string>,
): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for (const file of [await lastRotated(path), path]) {
    const size = file === undefined ? undefined : await sizeOf(file);
    if (file !== undefined && size !== undefined) await look(file, size, log, hashes, found);
  }
  return found;
}

async function look(
  file: string,
  size: number,
  log: string,
  hashes: ReadonlySet<string>,
  found: Set<string>,
): Promise<void> {
  let rest = '';
  const stream = createReadStream(file, { start: Math.max(0, size - TAIL), encoding: 'latin1' });
  for await (const chunk of stream as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (!line.includes('"event":"logged"') || !line.includes(`"log":"${log}"`)) continue;
      const [, leafHash = ''] = /"leafHash":"([0-9a-f]{64})"/.exec(line) ?? [];
      if (hashes.has(leafHash)) found.add(leafHash);
    }
  }
}

async function lastRotated(path: string): Promise<string | undefined> {
  const name = basename(path);
  const names = await readdir(dirname(path));
  const rotated = names.filter((one) => one.startsWith(`${name}.`)).sort();
  const last = rotated.at(-1);
  return last === undefined ? undefined : join(dirname(path), last);
}

async function sizeOf(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
