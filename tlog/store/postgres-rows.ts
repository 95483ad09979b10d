/** What lies in the tables of a log, as bytes and as values. */
import { UNHURRIED, type PostgresConnection, type Row } from '../../storage/postgres.ts';
import { equalBytes } from '../../core/bytes.ts';
import { LogError } from '../core/log-error.ts';
import type { Addition, Head, LoadedState, StoreTexts } from './commit-store.ts';

/** Entries of a full bundle. */
export const TILE_ENTRIES = 256;

/** The row that every batch replaces. */
export interface HeadRow {
  readonly head: Head;
  /** Raised to make what is still under way fail. */
  readonly epoch: number;
  /** Full bundles whose tiles are durable. */
  readonly bundles: number;
  readonly frozenAt: number | undefined;
  /** Where the log went; undefined while it is here. */
  readonly moved: string | undefined;
}

/** Of a head, for RETURNING and SELECT. */
export const HEAD_COLUMNS = 'epoch, size, root, ts, bundles, ended, moved';

/** Throws {@link LogError} `LOG_CORRUPT`. */
export function headOf(row: Row | undefined, place: string): HeadRow {
  const { epoch, size, root, ts, bundles, ended, moved } = row ?? {};
  const isRight =
    [epoch, size, ts, bundles].every((value) => Number.isSafeInteger(value)) && root instanceof Uint8Array;
  if (!isRight) throw new LogError('LOG_CORRUPT', `${place}: the head is missing`);
  return {
    head: { size: Number(size), root: Uint8Array.from(root), timestamp: Number(ts) },
    epoch: Number(epoch),
    bundles: Number(bundles),
    frozenAt: typeof ended === 'number' ? ended : undefined,
    moved: typeof moved === 'string' ? moved : undefined,
  };
}

/** Whether two heads are the same. */
export const isSameHead = (a: Head, b: Head): boolean =>
  a.size === b.size && a.timestamp === b.timestamp && equalBytes(a.root, b.root);

/** Entries as one row holds them: their lengths, 32 bits each, and their bytes end to end. */
export function packEntries(entries: readonly Uint8Array[]): { lens: Buffer; bytes: Buffer } {
  const lens = Buffer.alloc(4 * entries.length);
  for (const [i, entry] of entries.entries()) lens.writeUInt32BE(entry.length, 4 * i);
  return { lens, bytes: Buffer.concat(entries) };
}

/** A batch as its row holds it. */
interface BatchRow {
  readonly first: number;
  readonly head: Head;
  readonly entries: readonly Uint8Array[];
}

function batchOf({ first, n, ts, root, lens, bytes }: Row, place: string): BatchRow {
  const size = Number(first) + Number(n);
  const wrong = new LogError('LOG_CORRUPT', `${place}: the batch that ends at ${size} is damaged`);
  if (!(root instanceof Uint8Array && lens instanceof Buffer && bytes instanceof Uint8Array)) throw wrong;
  if (lens.length !== 4 * Number(n)) throw wrong;
  const entries: Uint8Array[] = [];
  let at = 0;
  for (let i = 0; i < lens.length; i += 4) {
    const end = at + lens.readUInt32BE(i);
    entries.push(Uint8Array.from(bytes.subarray(at, end)));
    at = end;
  }
  if (at !== bytes.length) throw wrong;
  return {
    first: Number(first),
    head: { size, root: Uint8Array.from(root), timestamp: Number(ts) },
    entries,
  };
}

/** Entries that are read at once of what others added; who is further behind loads the log anew. */
const MOST_ADDED = 20_000;

/** The batches from entry `first` up to `size`, whose rows follow each other. */
export async function readBatches(
  connection: PostgresConnection,
  logId: Uint8Array,
  [first, size]: readonly [number, number],
  place: string,
): Promise<readonly BatchRow[]> {
  if (first === size) return [];
  const rows = await connection.query(
    `SELECT first, n, ts, root, lens, bytes FROM log_batch
      WHERE log_id = $1 AND first < $3
        AND first >= coalesce((SELECT max(first) FROM log_batch WHERE log_id = $1 AND first <= $2), $2)
      ORDER BY first`,
    [logId, first, size],
  );
  return rows.map((row) => batchOf(row, place));
}

/** What was added behind `known`, of the head that is `now`. Throws {@link LogError} `LOG_STALE` when the rows are not there any more, or too many. */
export async function readAddition(
  connection: PostgresConnection,
  logId: Uint8Array,
  known: Head,
  { head, bundles }: Pick<HeadRow, 'head' | 'bundles'>,
  place: string,
): Promise<Addition> {
  const durableBelow = bundles * TILE_ENTRIES;
  if (head.size < known.size || (head.size === known.size && !isSameHead(head, known)))
    throw rolledBack(known, head, place);
  if (head.size - known.size > MOST_ADDED) throw stale(place);
  const batches = await readBatches(connection, logId, [known.size, head.size], place);
  let at = known.size;
  for (const { first, head: made } of batches) {
    if (first !== at) throw stale(place);
    at = made.size;
  }
  const last = batches.at(-1)?.head ?? known;
  if (!isSameHead(last, head)) throw stale(place);
  return { head, durableBelow, batches: batches.map(({ head: made, entries }) => ({ head: made, entries })) };
}

/** The database holds less than this process knows of, or other entries. */
export const rolledBack = (known: Head, found: Head, place: string): LogError =>
  new LogError(
    'LOG_ROLLED_BACK',
    `${place} holds ${found.size} entries, and is not what it was: it had ${known.size} with another root, or more`,
    {
      hint:
        'Nothing is signed. A standby that lacked the last commits was promoted, or a backup was put back. Find the server that has them ' +
        '(docs/scaling.md, "When the database was replaced"); without it, start a new log with a new key.',
    },
  );

const stale = (place: string): LogError =>
  new LogError('LOG_STALE', `${place}: what was added cannot be read batch by batch any more`, {
    hint: 'The log is opened again by itself.',
  });

/** The entries from `firstEntry` to the head, across batches that begin before it. Throws {@link LogError} `LOG_CORRUPT`. */
export async function readEntries(
  connection: PostgresConnection,
  logId: Uint8Array,
  { head, bundles }: Pick<HeadRow, 'head' | 'bundles'>,
  place: string,
): Promise<{ readonly firstEntry: number; readonly entries: readonly Uint8Array[] }> {
  const firstEntry = bundles * TILE_ENTRIES;
  const batches = await readBatches(connection, logId, [firstEntry, head.size], place);
  const entries: Uint8Array[] = [];
  for (const { first, entries: added } of batches) {
    const expected = firstEntry + entries.length;
    if (entries.length === 0 ? first > firstEntry : first !== expected) throw wrongEntries(place);
    for (const entry of added.slice(Math.max(0, firstEntry - first))) entries.push(entry);
  }
  if (firstEntry + entries.length !== head.size) throw wrongEntries(place);
  return { firstEntry, entries };
}

const wrongEntries = (place: string): LogError =>
  new LogError('LOG_CORRUPT', `${place}: the entries do not end where the head does`);

/** The place has no such log. */
export const missing = (place: string): LogError =>
  new LogError('LOG_MISSING', `${place} does not hold this log`, {
    hint: 'Look whether the URL names the database and the schema where the log was made.',
  });

/** In the place of where a log went, before the move: it is not here yet. */
const ARRIVING = 'arriving ';

/** What stands in the place of where a log went until it has come by that move. */
export const arrivingBy = (move: string): string => `${ARRIVING}${move}`;

/** Whether it is that of any move. */
export const isArriving = (moved: string): boolean => moved.startsWith(ARRIVING);

/** Throws {@link LogError} `LOG_HEAD_MOVED` when the log went elsewhere. */
export function requireHere({ moved }: HeadRow, place: string): void {
  if (moved === undefined) return;
  if (isArriving(moved))
    throw new LogError('LOG_HEAD_MOVED', `the log is on its way to ${place}: the command was interrupted`, {
      hint: 'Give it again: mayfly log move.',
    });
  throw new LogError('LOG_HEAD_MOVED', `the log is not in ${place} any more: it was moved`, {
    hint: 'Its directory on the machine where it was moved says where it is. If the command was interrupted, give it again: mayfly log move.',
  });
}

/** All that the tables hold of a log, as one state. */
export async function readStored(
  connection: PostgresConnection,
  logId: Uint8Array,
  name: string,
): Promise<{ readonly row: HeadRow; readonly state: LoadedState }> {
  // As of one moment: another writer may put more into tiles meanwhile, and remove the rows of that.
  await connection.script(`BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ${UNHURRIED}`);
  const [found] = await connection.query(
    `SELECT ${HEAD_COLUMNS}, identity FROM log_head JOIN log l USING (log_id) WHERE log_id = $1`,
    [logId],
  );
  if (found === undefined) throw missing(name);
  const row = headOf(found, name);
  const { firstEntry, entries } = await readEntries(connection, logId, row, name);
  await connection.script('COMMIT');
  const bound = found['identity'];
  return {
    row,
    state: {
      head: row.head,
      firstEntry,
      entries,
      ...(row.frozenAt === undefined ? {} : { frozenAt: row.frozenAt }),
      identity: { logId: Uint8Array.from(logId), bound: typeof bound === 'string' ? bound : undefined },
      texts: textsOf(name),
    },
  };
}

const textsOf = (name: string): StoreTexts => ({
  name,
  source: name,
  contradictionHint:
    'Nobody but Mayfly may change its tables. Find the server that has them as they were; never put a backup back.',
  damageHint: 'Find the server that has its tables as they were; never put a backup back.',
  rollbackHint:
    'Never put an old backup of the database back: the log would sign a second history. Find the server that has the newest commits, ' +
    'or start a new log with a new key: docs/scaling.md, "When the database was replaced".',
});
