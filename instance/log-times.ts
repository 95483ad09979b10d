/** What the certificate logs do not say of themselves: since when each is in use, and since when clients of the TUF repository can have its key. */
import { join } from 'node:path';
import { utf8, utf8Text } from '../core/bytes.ts';
import { shareOwner, writeDurably } from '../storage/durable-file.ts';
import { readWhole } from '../storage/read-whole.ts';
import { systemFault } from './data-directory-error.ts';
import type { DataPaths } from './data-paths.ts';

/** Of each log what is known of it, milliseconds since the epoch, by its name. */
export interface LogTimes {
  readonly inUse: ReadonlyMap<string, number>;
  readonly published: ReadonlyMap<string, number>;
}

/** Bytes: two lines for each log. */
const LIMIT = 1024 * 1024;

const fileOf = ({ logs }: Pick<DataPaths, 'logs'>): string => join(logs, '.times.json');

/** Reads `logs/.times.json`. A file that is missing, or that is none, says nothing of any log; never rejects. */
export async function readLogTimes(paths: Pick<DataPaths, 'logs'>): Promise<LogTimes> {
  try {
    const bytes = await readWhole(fileOf(paths), { size: LIMIT });
    const parsed = JSON.parse(utf8Text(bytes)) as Readonly<Record<keyof LogTimes, unknown>>;
    return { inUse: timesOf(parsed.inUse), published: timesOf(parsed.published) };
  } catch {
    return { inUse: new Map(), published: new Map() };
  }
}

function timesOf(value: unknown): ReadonlyMap<string, number> {
  if (typeof value !== 'object' || value === null) return new Map();
  return new Map(
    Object.entries(value).flatMap(([name, time]: [string, unknown]) =>
      typeof time === 'number' && Number.isFinite(time) ? [[name, time] as const] : [],
    ),
  );
}

/** Notes one time of the log called `name`, milliseconds since the epoch; durable on return. To be called by who holds the lock of changes. A crash leaves the file of before, or this one. Rejects with DataDirectoryError. */
export async function noteLogTime(
  paths: Pick<DataPaths, 'logs'>,
  kind: keyof LogTimes,
  name: string,
  time: number,
): Promise<void> {
  const known = await readLogTimes(paths);
  const text = JSON.stringify({
    inUse: Object.fromEntries(known.inUse),
    published: Object.fromEntries(known.published),
    [kind]: Object.fromEntries(new Map(known[kind]).set(name, time)),
  });
  const file = fileOf(paths);
  try {
    await writeDurably(file, utf8(`${text}\n`), 0o644);
    await shareOwner(file, paths.logs);
  } catch (error) {
    throw systemFault(file, 'write', error);
  }
}
