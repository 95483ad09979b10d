/** Which entries of a log of artifacts are redacted: their bodies are withheld for good, their leaf hashes stay. */
import { join } from 'node:path';
import { fromHex, toHex, utf8, utf8Text } from '../core/bytes.ts';
import { parseRfc3339 } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import { shareOwner, writeDurably } from '../storage/durable-file.ts';
import { FileFault } from '../storage/file-fault.ts';
import { LogError } from '../tlog/core/log-error.ts';
import { IDENTITY_FILE } from '../tlog/core/log-identity.ts';
import { readLogFile } from '../tlog/core/log-file.ts';
import { HASH_LENGTH } from '../tlog/format/merkle.ts';

/** That an entry is redacted. */
export interface Redaction {
  /** In its tree. */
  readonly index: number;
  /** What the tree has of the entry, 32 bytes. */
  readonly leafHash: Uint8Array;
  /** Milliseconds since the epoch. */
  readonly redactedAt: number;
  /** The operator's words, for the operator. */
  readonly reason: string;
  /** Whether a service has written it into the audit. */
  readonly isAudited: boolean;
}

/** The redactions of one log. */
export interface Redactions {
  /** Whether nothing is left of the bodies in the directory. */
  readonly isFinished: boolean;
  /** By index. */
  readonly entries: ReadonlyMap<number, Redaction>;
}

/** Of a log of which nothing is redacted. */
export const NO_REDACTIONS: Redactions = { isFinished: true, entries: new Map() };

/** Name inside a log's directory. */
export const REDACTIONS_FILE = 'redacted.json';

/** Entries of a log that can be redacted: its file is read and written whole. */
export const MAX_REDACTIONS = 10_000;

/** Characters of a reason. */
export const MAX_REASON = 200;

/** Reads them; none where the log in `directory` has no such file. Throws {@link LogError} `LOG_CORRUPT` or `LOG_STORAGE`. */
export async function readRedactions(directory: string): Promise<Redactions> {
  const bytes = await readLogFile(directory, REDACTIONS_FILE).catch((cause: unknown) => {
    throw new LogError('LOG_STORAGE', messageOf(cause), { cause });
  });
  if (bytes === undefined) return NO_REDACTIONS;
  try {
    return parse(JSON.parse(utf8Text(bytes)));
  } catch (error) {
    throw new LogError('LOG_CORRUPT', `${join(directory, REDACTIONS_FILE)} is damaged: ${messageOf(error)}`, {
      hint: 'Restore it from a copy of the log: it says which bodies are withheld, and what their hashes were.',
    });
  }
}

/** The same for those who only read: {@link LogError} `LOG_UNAVAILABLE` while bodies that are to go are still there. */
export async function readFinishedRedactions(directory: string): Promise<Redactions> {
  const redactions = await readRedactions(directory);
  if (redactions.isFinished) return redactions;
  throw new LogError(
    'LOG_UNAVAILABLE',
    `a redaction of the log in ${directory} is under way, or was interrupted`,
    {
      hint: 'Wait for `mayfly rekor redact` to end. If it was interrupted, give it once more, or start the service: either finishes it.',
    },
  );
}

/** Whether two readings of the file are of one content. */
export const areSameRedactions = (one: Redactions, other: Redactions): boolean =>
  textOf(one) === textOf(other);

/** Makes them durable. A crash leaves the file as it was, or as it is to be. Throws {@link LogError} `LOG_STORAGE`. */
export async function writeRedactions(directory: string, redactions: Redactions): Promise<void> {
  const path = join(directory, REDACTIONS_FILE);
  try {
    await writeDurably(path, utf8(textOf(redactions)), 0o644);
    // A command of the superuser: the service writes the file, too.
    await shareOwner(path, join(directory, IDENTITY_FILE));
  } catch (error) {
    throw error instanceof FileFault ? new LogError('LOG_STORAGE', error.message, { cause: error }) : error;
  }
}

function textOf({ isFinished, entries }: Redactions): string {
  const rows = [...entries.values()].sort((a, b) => a.index - b.index).map(rowOf);
  return `${JSON.stringify({ version: 1, isFinished, entries: rows }, undefined, 1)}\n`;
}

const rowOf = ({ index, leafHash, redactedAt, reason, isAudited }: Redaction): unknown => ({
  index,
  leafHash: toHex(leafHash),
  redactedAt: new Date(redactedAt).toISOString(),
  reason,
  isAudited,
});

function parse(json: unknown): Redactions {
  const { version, isFinished, entries } = recordOf(json);
  if (version !== 1) throw new Error('its version is unknown');
  if (typeof isFinished !== 'boolean' || !Array.isArray(entries))
    throw new Error('it has no list of entries');
  const found = new Map(
    entries.map((row: unknown) => redactionOf(recordOf(row))).map((one) => [one.index, one]),
  );
  if (found.size !== entries.length) throw new Error('an entry is there twice');
  return { isFinished, entries: found };
}

function redactionOf(row: Readonly<Record<string, unknown>>): Redaction {
  const { index, leafHash, redactedAt, reason, isAudited } = row;
  if (typeof index !== 'number' || !Number.isSafeInteger(index) || index < 0)
    throw new Error('an index is none');
  const hash = fromHex(typeof leafHash === 'string' ? leafHash : '');
  if (hash.length !== HASH_LENGTH) throw new Error(`the leaf hash of entry ${index} is none`);
  const time = typeof redactedAt === 'string' ? parseRfc3339(redactedAt) : undefined;
  if (time === undefined || typeof reason !== 'string' || typeof isAudited !== 'boolean')
    throw new Error(`the record of entry ${index} is not whole`);
  return { index, leafHash: hash, redactedAt: time, reason, isAudited };
}

function recordOf(json: unknown): Readonly<Record<string, unknown>> {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new Error('it is not an object');
  return json as Readonly<Record<string, unknown>>;
}
