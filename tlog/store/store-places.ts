/**
 * `store.json` in a log's directory: where its two stores are. A log without the file has both in the directory. It is
 * written when the log is made, and by what moves a log; nothing secret is in it.
 *
 *     {"version":1,"logId":"…","commits":{"url":"postgres://mayfly@db.example.org/mayfly","passwordFile":"/run/secrets/db"},"tiles":{…}}
 */
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fromBase64, toBase64, utf8, utf8Text } from '../../core/bytes.ts';
import { messageOf } from '../../core/errors.ts';
import { syncDirectory, writeDurably } from '../../storage/durable-file.ts';
import { naming } from '../../storage/file-fault.ts';
import { placeName } from '../../storage/postgres.ts';
import { isMissing } from '../../storage/read-whole.ts';
import { LogError } from '../core/log-error.ts';
import { readLogFile } from '../core/log-file.ts';

/** Name inside a log's directory. */
export const STORE_FILE = 'store.json';

const VERSION = 1;

/** A store outside the log's directory. */
export interface OutsidePlace {
  /** Without a password. */
  readonly url: string;
  /** Absolute path of a file whose first line is the password; without it, what the client library takes from the environment. */
  readonly passwordFile?: string | undefined;
}

/** Where the stores of a log are; what is absent is in the log's directory. */
export interface StorePlaces {
  /** Of the log, 32 bytes: a database may hold several. Always there where `commits` is. */
  readonly logId?: Uint8Array | undefined;
  readonly commits?: OutsidePlace | undefined;
  readonly tiles?: TilePlace | undefined;
}

/** Where tiles lie that are not files of the log's directory. */
export interface TilePlace {
  /** `postgres`: beside the history; otherwise the URL of a bucket. */
  readonly url: string;
  /** URL of the bucket's server; without it, that of AWS. */
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
  /** `path`: the bucket's name is the first part of the path, and not of the host. */
  readonly addressing?: string | undefined;
  /** `plain`: files are put without conditions, as only one process may. */
  readonly writes?: string | undefined;
}

/** The places of one log below those that all logs of a data directory have in common: in a bucket, a prefix that no log ever had, whose first part is `name`. */
export function placesFor({ commits, tiles }: StorePlaces, name: string): StorePlaces {
  if (tiles?.url.startsWith('s3:') !== true) return { commits, tiles };
  return { commits, tiles: { ...tiles, url: `${tiles.url}/${name}-${randomBytes(4).toString('hex')}` } };
}

/** The places of a log called `name` that is to follow the one in `directory`, or to be beside it. Throws as {@link readStorePlaces}. */
export const placesLike = async (directory: string, name: string): Promise<StorePlaces> =>
  placesFor(commonPlaces(await readStorePlaces(directory)), name);

/** What {@link placesFor} made the places of a log of. */
export function commonPlaces({ commits, tiles }: StorePlaces): StorePlaces {
  if (tiles?.url.startsWith('s3:') !== true) return { commits, tiles };
  return { commits, tiles: { ...tiles, url: tiles.url.replace(/\/[^/]*$/, '') } };
}

/** Throws {@link LogError} `LOG_ELSEWHERE` unless the stores of the log in `directory` are where `common` says that those of all logs are. A database that is reached in another way, with another
 * password file or as another user, is the same: `store.json` says so from then on. */
export async function requirePlaces(directory: string, common: StorePlaces): Promise<void> {
  const stored = await readStorePlaces(directory);
  const { commits, tiles } = commonPlaces(stored);
  const isHere = isSameDatabase(commits, common.commits);
  if (isHere && isSamePlace(tiles, common.tiles)) {
    const isSame =
      commits?.url === common.commits?.url && commits?.passwordFile === common.commits?.passwordFile;
    if (!isSame) await writeStorePlaces(directory, { ...stored, commits: common.commits });
    return;
  }
  const what = isHere
    ? `the tiles of the log in ${directory} are ${inWords(tiles)}, and the configuration says ${inWords(common.tiles)}`
    : `the history of the log in ${directory} is ${databaseInWords(commits)}, and the configuration says ${databaseInWords(common.commits)}`;
  throw new LogError('LOG_ELSEWHERE', what, {
    hint: 'Nothing was changed. Let mayfly.log say where they are; or stop every service that uses the log and give `mayfly log move --data DIR`, which moves them to where it says.',
  });
}

/** Whether two places are one database and schema, however that is reached. */
export const isSameDatabase = (a: OutsidePlace | undefined, b: OutsidePlace | undefined): boolean =>
  a === undefined || b === undefined ? a === b : placeName(a) === placeName(b);

const databaseInWords = (place: OutsidePlace | undefined): string =>
  place === undefined ? 'in its files' : `in ${placeName(place)}`;

/** Whether two places are one, reached in one way. */
export const isSamePlace = (a: TilePlace | undefined, b: TilePlace | undefined): boolean =>
  (['url', 'endpoint', 'region', 'addressing', 'writes'] as const).every(
    (field) => a?.[field] === b?.[field],
  );

function inWords(place: TilePlace | undefined): string {
  if (place === undefined) return 'in its files';
  const { url, endpoint, region, addressing, writes } = place;
  const how = Object.entries({ endpoint, region, addressing, writes });
  return [
    `in ${url}`,
    ...how.flatMap(([name, value]) => (value === undefined ? [] : [`${name} ${value}`])),
  ].join(', ');
}

/** Writes `places` into `directory`, durably: no file, where both stores are there. Rejects with a FileFault. */
export async function writeStorePlaces(directory: string, places: StorePlaces): Promise<void> {
  const { logId, commits, tiles } = places;
  if (commits === undefined && tiles === undefined) {
    await removeStoreFile(directory);
    return;
  }
  const text = JSON.stringify({
    version: VERSION,
    logId: logId === undefined ? undefined : toBase64(logId),
    commits,
    tiles,
  });
  await writeDurably(join(directory, STORE_FILE), utf8(`${text}\n`), 0o644);
}

async function removeStoreFile(directory: string): Promise<void> {
  const path = join(directory, STORE_FILE);
  if (await isMissing(path)) return;
  await naming(path, 'removed', rm(path));
  await syncDirectory(directory);
}

/** Where the stores of the log in `directory` are. Throws {@link LogError}: `LOG_CORRUPT` for a file that says something else than this, `LOG_STORAGE`. */
export async function readStorePlaces(directory: string): Promise<StorePlaces> {
  const bytes = await readLogFile(directory, STORE_FILE).catch((cause: unknown) => {
    throw new LogError('LOG_STORAGE', messageOf(cause), { cause });
  });
  if (bytes === undefined) return {};
  try {
    return placesOf(JSON.parse(utf8Text(bytes)));
  } catch (error) {
    throw new LogError('LOG_CORRUPT', `${join(directory, STORE_FILE)} is damaged: ${messageOf(error)}`, {
      hint: 'Restore it from a copy. It says where the history of the log is, and changes only by `mayfly log move`. It may also be of a newer version of Mayfly.',
    });
  }
}

function placesOf(value: unknown): StorePlaces {
  const { version, logId, commits, tiles } = fieldsOf(
    value,
    ['version', 'logId', 'commits', 'tiles'],
    'the file',
  );
  if (version !== VERSION) throw new Error(`its version is not ${VERSION}`);
  const id = typeof logId === 'string' ? fromBase64(logId) : undefined;
  if (id?.length !== (logId === undefined && commits === undefined ? undefined : 32))
    throw new Error('logId is not the id of a log');
  return {
    ...(id === undefined ? {} : { logId: id }),
    ...(commits === undefined ? {} : { commits: placeOf(commits, ['passwordFile'], 'commits') }),
    ...(tiles === undefined
      ? {}
      : { tiles: placeOf(tiles, ['endpoint', 'region', 'addressing', 'writes'], 'tiles') }),
  };
}

/** A place with some of the `others` beside its URL, all of which are texts. */
function placeOf<Name extends string>(
  value: unknown,
  others: readonly Name[],
  what: string,
): { readonly url: string } & { readonly [K in Name]?: string } {
  const fields = fieldsOf(value, ['url', ...others], what);
  const out: Record<string, string> = {};
  for (const [name, text] of Object.entries(fields)) {
    if (typeof text !== 'string' || text === '') throw new Error(`${name} of ${what} is not a text`);
    out[name] = text;
  }
  if (out['url'] === undefined) throw new Error(`${what} has no url`);
  return out as { readonly url: string } & { readonly [K in Name]?: string };
}

function fieldsOf(value: unknown, known: readonly string[], what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`${what} is not an object`);
  const unknown = Object.keys(value).find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`${what} has a field that is not known`);
  return value as Readonly<Record<string, unknown>>;
}
