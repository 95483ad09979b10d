/** Which entries of artifact logs have a line in an audit: looked for after a crash, at its end. */
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { systemCode } from '../core/errors.ts';
import type { PostgresPlace } from '../storage/postgres.ts';
import { readLines } from '../tlog/store/shared-lines.ts';

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
    for (const line of lines) lookAt(line, log, hashes, found);
  }
}

function lookAt(line: string, log: string, hashes: ReadonlySet<string>, found: Set<string>): void {
  if (!line.includes('"event":"logged"') || !line.includes(`"log":"${log}"`)) return;
  const [, leafHash = ''] = /"leafHash":"([0-9a-f]{64})"/.exec(line) ?? [];
  if (hashes.has(leafHash)) found.add(leafHash);
}

/** Characters of the lines of all services that are read: they have more of them. */
const SHARED_LINES = 256 * 1024 * 1024;

/** Milliseconds that the clock of the database may be behind, or a line late. */
const SLACK = 600_000;

/** The same in a table that services share: of the first 256 MiB of about `since` and later, milliseconds since the epoch, or, where that is not known, of the newest. Rejects with LogError. */
export async function loggedInDatabase(
  place: PostgresPlace,
  log: string,
  hashes: ReadonlySet<string>,
  since: number | undefined,
): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  let read = 0;
  const options = since === undefined ? { isBackwards: true } : { since: since - SLACK };
  for await (const { lines } of readLines(place, options)) {
    for (const line of lines) {
      lookAt(line, log, hashes, found);
      read += line.length;
    }
    if (found.size === hashes.size || read > SHARED_LINES) break;
  }
  return found;
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
