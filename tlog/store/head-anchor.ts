/**
 * A second place for the newest signed checkpoint of a log, which a copy of the log's directory does not bring along. What it holds is compared with
 * the log, so that a directory that was restored or cloned is noticed.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { rm } from 'node:fs/promises';
import { equalBytes, toHex, utf8, utf8Text } from '../../core/bytes.ts';
import { messageOf } from '../../core/errors.ts';
import { ensureDirectory } from '../../storage/make-directory.ts';
import { writeDurably } from '../../storage/durable-file.ts';
import { naming } from '../../storage/file-fault.ts';
import { withFileLock } from '../../storage/file-lock.ts';
import type { PostgresPlace } from '../../storage/postgres.ts';
import { mediumOf } from '../../storage/storage-medium.ts';
import { LogError } from '../core/log-error.ts';
import { mostBytes, readLogFile } from '../core/log-file.ts';
import { bucketOf, startBucket } from './bucket-tile-store.ts';
import { postgresAnchor } from './postgres-anchor.ts';
import { CHECKPOINT_FILE } from './checkpoint-file.ts';

/** Where the anchor is, and when it is written. */
export interface AnchorPlace {
  /** Absolute path of a directory, `s3://BUCKET[/PREFIX]`, `postgres://USER@HOST/DATABASE`, or the http(s) URL below which a mirror serves the logs by their names. */
  readonly at: string;
  /** `synchronous`: before anything is released that the head covers. `asynchronous`: soon after. */
  readonly mode: 'asynchronous' | 'synchronous';
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
  readonly addressing?: string | undefined;
  /** Of a database: absolute path of a file whose first line is the password. */
  readonly passwordFile?: string | undefined;
}

/** Name inside a log's directory. */
const ANCHOR_FILE = 'anchor.json';

/** Notes in the log's directory which anchor it is held to, for commands that read it; undefined: none. Rejects with a FileFault. */
export async function noteAnchor(directory: string, place: AnchorPlace | undefined): Promise<void> {
  const path = join(directory, ANCHOR_FILE);
  if (place !== undefined) await writeDurably(path, utf8(`${JSON.stringify(place)}\n`), 0o644);
  else await naming(path, 'removed', rm(path, { force: true }));
}

/** The anchor that the log in `directory` was held to when it was opened for writing last; undefined: none. Throws {@link LogError} `LOG_CORRUPT`, and a FileFault. */
export async function notedAnchor(directory: string): Promise<AnchorPlace | undefined> {
  const bytes = await readLogFile(directory, ANCHOR_FILE);
  if (bytes === undefined) return undefined;
  try {
    return placeOf(JSON.parse(utf8Text(bytes)));
  } catch (error) {
    throw new LogError('LOG_CORRUPT', `${join(directory, ANCHOR_FILE)} is damaged: ${messageOf(error)}`, {
      hint: 'The next start of the service writes it anew.',
    });
  }
}

function placeOf(value: unknown): AnchorPlace {
  const fields = new Map(typeof value === 'object' && value !== null ? Object.entries(value) : []);
  const text = (name: string): string | undefined => {
    const field: unknown = fields.get(name);
    if (field === undefined || typeof field === 'string') return field;
    throw new Error(`${name} is not a text`);
  };
  const [at, mode] = [text('at'), text('mode')];
  if (at === undefined || (mode !== 'synchronous' && mode !== 'asynchronous'))
    throw new Error('it does not say where and how');
  const [endpoint, region, addressing] = [text('endpoint'), text('region'), text('addressing')];
  return { at, mode, endpoint, region, addressing, passwordFile: text('passwordFile') };
}

/** An anchor of one log. Everything rejects with {@link LogError} `LOG_STORAGE`: then it is not known what became of it. */
export interface HeadAnchor {
  /** As operators know it. */
  readonly name: string;
  /** The checkpoint that it holds, not verified; undefined for none. */
  read(): Promise<Uint8Array | undefined>;
  /** Puts `next` in the place of exactly `expected`, undefined for none: durable on return. False, and nothing changes, when it holds another one. Absent where others write it. */
  readonly replace?: (expected: Uint8Array | undefined, next: Uint8Array) => Promise<boolean>;
  /** Finds out, before the first use, whether it can keep this; rejects with LogError `LOG_UNSUITABLE_STORAGE` when not. */
  readonly probe?: () => Promise<unknown>;
  readonly close?: () => Promise<void>;
}

/** Whose anchor it is. */
interface AnchoredLog {
  /** As its directory is called. */
  readonly name: string;
  readonly logId: Uint8Array;
}

/** The anchor of a log at `place`. Throws {@link LogError} `LOG_STORAGE` for a place that cannot be one. */
export function anchorAt(place: AnchorPlace, log: AnchoredLog): HeadAnchor {
  // By what the log is, and not by what its directory is called: a copy has another name, perhaps.
  const file = toHex(log.logId);
  if (place.at.startsWith('s3:')) return bucketAnchor(place, file);
  const database = anchorDatabase(place);
  if (database !== undefined) return postgresAnchor(database, log.logId);
  if (/^https?:/.test(place.at)) return urlAnchor(`${place.at}/${log.name}/${CHECKPOINT_FILE}`);
  return directoryAnchor(place.at, `${file}.${CHECKPOINT_FILE}`);
}

/** The database that an anchor is in; undefined where it is in none. */
export const anchorDatabase = ({ at, passwordFile }: AnchorPlace): PostgresPlace | undefined =>
  /^postgres(?:ql)?:/.test(at) ? { url: at, passwordFile } : undefined;

const LOCK_MS = 5_000;

function directoryAnchor(directory: string, file: string): HeadAnchor {
  const path = join(directory, file);
  const inWords = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (cause) {
      if (cause instanceof LogError) throw cause;
      throw new LogError('LOG_STORAGE', `the anchor ${path}: ${messageOf(cause)}`, { cause });
    }
  };
  const read = (): Promise<Uint8Array | undefined> => inWords(() => readLogFile(directory, file));
  return {
    name: directory,
    read,
    probe: () =>
      inWords(async () => {
        await ensureDirectory(directory, 0o700);
        const medium = await mediumOf(directory);
        if (medium.kind !== 'unsuitable') return;
        throw new LogError('LOG_UNSUITABLE_STORAGE', `the anchor ${directory} is on ${medium.name}`, {
          hint: 'Use a local disk, another one than that of the log, or a bucket.',
        });
      }),
    replace: (expected, next) =>
      inWords(() =>
        withFileLock(`${path}.lock`, LOCK_MS, async () => {
          const there = await read();
          const isExpected =
            there === undefined
              ? expected === undefined
              : expected !== undefined && equalBytes(there, expected);
          if (isExpected) await writeDurably(path, next, 0o644);
          return isExpected || (there !== undefined && equalBytes(there, next));
        }),
      ),
  };
}

function bucketAnchor({ at, endpoint, region, addressing }: AnchorPlace, file: string): HeadAnchor {
  const place = bucketOf({ url: at, endpoint, region, addressing });
  if (place === undefined) throw new LogError('LOG_STORAGE', `${at} is no bucket that can be used`);
  const { ask, close } = startBucket(place, 'conditional');
  const path = `${file}.${CHECKPOINT_FILE}`;
  return {
    name: at,
    read: async () => (await ask({ kind: 'get', path })).bytes,
    replace: async (expected, bytes) =>
      (await ask({ kind: 'swap', path, expected, bytes })).isSwapped === true,
    probe: () => ask({ kind: 'probe', path: `probe/${randomBytes(8).toString('hex')}` }),
    close,
  };
}

const FETCH_MS = 5_000;

/** A mirror follows the log by itself: it is only read. */
function urlAnchor(url: string): HeadAnchor {
  return {
    name: url,
    async read() {
      try {
        const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(FETCH_MS) });
        if (response.status === 404) return undefined;
        if (!response.ok) throw new Error(`the server answered ${response.status}`);
        return await bounded(response, mostBytes(CHECKPOINT_FILE));
      } catch (cause) {
        throw new LogError('LOG_STORAGE', `the anchor ${url} cannot be read: ${messageOf(cause)}`, { cause });
      }
    },
  };
}

async function bounded({ body }: Response, limit: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body ?? []) {
    length += chunk.length;
    if (length > limit) throw new Error(`more than ${limit} bytes came`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
