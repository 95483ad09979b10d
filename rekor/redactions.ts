/** Which entries of a log of artifacts are redacted: their bodies are withheld for good, their leaf hashes stay. */
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { fromHex, toHex, utf8, utf8Text } from '../core/bytes.ts';
import { parseRfc3339 } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import { shareOwner, writeDurably } from '../storage/durable-file.ts';
import { FileFault } from '../storage/file-fault.ts';
import { LogError } from '../tlog/core/log-error.ts';
import { IDENTITY_FILE } from '../tlog/core/log-identity.ts';
import { readLogFile } from '../tlog/core/log-file.ts';
import { HASH_LENGTH } from '../tlog/format/merkle.ts';
import { SharedDocument, type SharedContent } from '../tlog/store/shared-document.ts';
import { isSameDatabase, readStorePlaces, type OutsidePlace } from '../tlog/store/store-places.ts';

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
  /** Whether nothing is left of the bodies where the log is stored. They are withheld all the same. */
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

/** Reads them: from the file of the log in `directory`, or from the database that its replicas share; none where there are none. `place`: where the database is now. Throws {@link LogError} `LOG_CORRUPT` or `LOG_STORAGE`. */
export async function readRedactions(directory: string, place?: OutsidePlace): Promise<Redactions> {
  const document = await sharedRedactions(directory, place);
  if (document === undefined) return readLocal(directory);
  try {
    return inDocument(document, await document.read());
  } finally {
    await document.close();
  }
}

/** Those in the file: where replicas share them, what this machine saw last. Throws as {@link readRedactions}. */
async function readLocal(directory: string): Promise<Redactions> {
  const bytes = await readLogFile(directory, REDACTIONS_FILE).catch((cause: unknown) => {
    throw new LogError('LOG_STORAGE', messageOf(cause), { cause });
  });
  return bytes === undefined ? NO_REDACTIONS : parsed(bytes, join(directory, REDACTIONS_FILE));
}

function parsed(bytes: Uint8Array, name: string): Redactions {
  try {
    return parseRedactions(bytes);
  } catch (error) {
    throw new LogError('LOG_CORRUPT', `${name} is damaged: ${messageOf(error)}`, {
      hint: 'Restore it from a copy of the log: it says which bodies are withheld, and what their hashes were.',
    });
  }
}

/** The document that has them; undefined where the file has. */
async function sharedRedactions(
  directory: string,
  place?: OutsidePlace,
): Promise<SharedDocument | undefined> {
  const { logId, commits } = await readStorePlaces(directory);
  return logId === undefined || commits === undefined ? undefined : documentAt(place ?? commits, logId);
}

const documentAt = (place: OutsidePlace, logId: Uint8Array): SharedDocument =>
  new SharedDocument(place, logId, REDACTIONS_FILE);

function inDocument({ name }: SharedDocument, content: SharedContent | undefined): Redactions {
  if (content?.isMoved === true)
    throw new LogError('LOG_ELSEWHERE', `the log is not in ${name} any more: it was moved`, {
      hint: 'Use the log directory of the machine on which it was moved.',
    });
  return content === undefined ? NO_REDACTIONS : parsed(content.bytes, `${REDACTIONS_FILE} in ${name}`);
}

/** The same for those who only read: {@link LogError} `LOG_UNAVAILABLE` while bodies that are to go are still in the directory. In a database that replicas share they may be there for long, withheld. */
export async function readFinishedRedactions(directory: string, place?: OutsidePlace): Promise<Redactions> {
  const redactions = await readRedactions(directory, place);
  if (redactions.isFinished || (await areRedactionsShared(directory))) return redactions;
  throw new LogError(
    'LOG_UNAVAILABLE',
    `a redaction of the log in ${directory} is under way, or was interrupted`,
    {
      hint: 'Wait for `mayfly rekor redact` to end. If it was interrupted, give it once more, or start the service: either finishes it.',
    },
  );
}

/** Whether replicas share them. Throws {@link LogError}. */
export const areRedactionsShared = async (directory: string): Promise<boolean> =>
  (await readStorePlaces(directory)).commits !== undefined;

/** Whether two readings of the file are of one content. */
export const areSameRedactions = (one: Redactions, other: Redactions): boolean =>
  textOf(one) === textOf(other);

/** Makes them what `change` makes of those that are there, durably: a crash leaves them as they were, or as they are to be. Where replicas share them, `change` is called again when another one was first. Throws {@link LogError} `LOG_STORAGE`, and as {@link readRedactions}. */
export async function changeRedactions(
  directory: string,
  change: (there: Redactions) => Redactions,
): Promise<Redactions> {
  const document = await sharedRedactions(directory);
  if (document === undefined) {
    const redactions = change(await readLocal(directory));
    await writeLocal(directory, redactions);
    return redactions;
  }
  try {
    for (;;) {
      const content = await document.read();
      const redactions = change(inDocument(document, content));
      if (await document.replace(content?.version, bytesOf(redactions))) return redactions;
    }
  } finally {
    await document.close();
  }
}

async function writeLocal(directory: string, redactions: Redactions): Promise<void> {
  const path = join(directory, REDACTIONS_FILE);
  try {
    await writeDurably(path, bytesOf(redactions), 0o644);
    // A command of the superuser: the service writes the file, too.
    await shareOwner(path, join(directory, IDENTITY_FILE));
  } catch (error) {
    throw error instanceof FileFault ? new LogError('LOG_STORAGE', error.message, { cause: error }) : error;
  }
}

/** Puts the redactions of the log in `directory` to where its history is to be: `to`, undefined for its files. Called before the log is moved; what it resolves to is called after that, and takes along what was redacted meanwhile. Throws {@link LogError}. */
export async function moveRedactions(
  directory: string,
  logId: Uint8Array,
  to: OutsidePlace | undefined,
): Promise<() => Promise<void>> {
  const { commits } = await readStorePlaces(directory);
  if (isSameDatabase(commits, to)) return () => Promise.resolve();
  const from = commits && documentAt(commits, logId);
  const next = to && documentAt(to, logId);
  const copy = async (): Promise<SharedContent | undefined> => {
    const content = await from?.read();
    const redactions =
      from === undefined
        ? await readLocal(directory)
        : content === undefined
          ? NO_REDACTIONS
          : parsed(content.bytes, `${REDACTIONS_FILE} in ${from.name}`);
    if (next !== undefined) await overwrite(next, redactions);
    else if (redactions.entries.size > 0) await writeLocal(directory, redactions);
    return content;
  };
  const close = async (): Promise<void> => {
    await from?.close();
    await next?.close();
  };
  await copy().catch((error: unknown) => close().then(() => Promise.reject(error as Error)));
  await close();
  return async () => {
    try {
      for (let left = false; !left && from !== undefined;) {
        const content = await copy();
        left = content === undefined || (await from.replace(content.version, content.bytes, true));
      }
    } finally {
      await close();
    }
  };
}

async function overwrite(document: SharedDocument, redactions: Redactions): Promise<void> {
  for (;;) {
    const there = await document.read();
    if (there === undefined && redactions.entries.size === 0) return;
    if (await document.replace(there?.version, bytesOf(redactions))) return;
  }
}

const bytesOf = (redactions: Redactions): Uint8Array => utf8(textOf(redactions));

/** Milliseconds between two looks at what other replicas withheld. */
const LOOK_MS = 1_000;

/** Milliseconds after a look for which bodies are given without another one. */
const LOOK_COUNTS_MS = 2_000;

/**
 * The redactions of a log that replicas share, as they are now: `entries` has those of a second ago at most. While the database does not answer, {@link current} rejects, so that
 * nobody is given a body that was withheld meanwhile: neither by a replica that is cut off, nor by one that was stopped and wakes.
 */
export class LiveRedactions implements Redactions {
  readonly entries = new Map<number, Redaction>();
  #isFinished = true;
  readonly #directory: string;
  readonly #document: SharedDocument;
  #stamp: string | undefined;
  /** Of the entries that the file has. */
  #written = 0;
  /** By `performance.now()`. */
  #lookedAt = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  private constructor(directory: string, document: SharedDocument) {
    this.#directory = directory;
    this.#document = document;
  }

  /** Those of the log in `directory`; undefined where its file has them. What this machine saw withheld once, as the file says, is withheld also where the database has lost it, which gets it again. `onNew` is called for redactions that were not there when this machine opened the log the last time, before anybody sees that it was. Throws as {@link readRedactions}. */
  static async open(directory: string, onNew: () => Promise<void>): Promise<LiveRedactions | undefined> {
    const document = await sharedRedactions(directory);
    if (document === undefined) return undefined;
    const live = new LiveRedactions(directory, document);
    try {
      const known = await readLocal(directory);
      for (const [index, redaction] of known.entries) live.entries.set(index, redaction);
      live.#written = live.entries.size;
      await live.#look();
      // In the file: whether what may have words of them was removed here.
      if (!known.isFinished || live.entries.size > known.entries.size) {
        await onNew();
        await writeLocal(directory, { isFinished: true, entries: live.entries });
      }
    } catch (error) {
      await live.close();
      throw error;
    }
    live.#timer = setInterval(() => void live.#look().catch(() => undefined), LOOK_MS).unref();
    return live;
  }

  get isFinished(): boolean {
    return this.#isFinished;
  }

  /** Undefined where it was looked in the last two seconds; otherwise resolves after another look. Rejects with {@link LogError} `LOG_UNAVAILABLE` when nobody answers. */
  current(): Promise<void> | undefined {
    if (performance.now() - this.#lookedAt < LOOK_COUNTS_MS) return undefined;
    return this.#look().catch((cause: unknown) => {
      throw new LogError('LOG_UNAVAILABLE', 'nobody knows now which entries of the log are withheld', {
        hint: 'Try again soon.',
        cause,
      });
    });
  }

  #look(): Promise<void> {
    this.#looking ??= this.#ask().finally(() => (this.#looking = undefined));
    return this.#looking;
  }

  /** What is withheld once stays so, whatever the database says later. */
  async #ask(): Promise<void> {
    const at = performance.now();
    const stamp = await this.#document.stamp();
    if (stamp !== this.#stamp || (stamp === undefined && this.entries.size > 0)) {
      const content = await this.#document.read();
      const { isFinished, entries } = inDocument(this.#document, content);
      const isWhole = [...this.entries.keys()].every((index) => entries.has(index));
      for (const [index, redaction] of entries) this.entries.set(index, redaction);
      this.#isFinished = isFinished;
      // Withheld it is by now; what fails here is tried again with the next look.
      if (await this.#keep(isWhole).catch(() => false)) this.#stamp = content?.stamp;
    }
    this.#lookedAt = at;
  }

  /** Writes what is new into the file, and what the database has lost into that, with bodies that are to be removed again. Resolves to whether nothing was lost. */
  async #keep(isWhole: boolean): Promise<boolean> {
    if (this.entries.size > this.#written) {
      await writeLocal(this.#directory, { isFinished: false, entries: this.entries });
      this.#written = this.entries.size;
    }
    if (isWhole) return true;
    await changeRedactions(this.#directory, ({ entries }) => ({
      isFinished: false,
      entries: new Map([...this.entries, ...entries]),
    }));
    return false;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking?.catch(() => undefined);
    await this.#document.close();
  }
}

function textOf({ isFinished, entries }: Redactions): string {
  const rows = [...entries.values()].sort((a, b) => a.index - b.index).map(rowOf);
  return `${JSON.stringify({ version: 1, isFinished, entries: rows, sum: sumOf(rows) }, undefined, 1)}\n`;
}

/** What nothing else of the log says, such as the reason, is held to this. */
const sumOf = (rows: unknown): number => crc32(JSON.stringify(rows));

const rowOf = ({ index, leafHash, redactedAt, reason, isAudited }: Redaction): unknown => ({
  index,
  leafHash: toHex(leafHash),
  redactedAt: new Date(redactedAt).toISOString(),
  reason,
  isAudited,
});

/** The redactions in the bytes of such a file; throws for what is none. */
export const parseRedactions = (bytes: Uint8Array): Redactions => parse(JSON.parse(utf8Text(bytes)));

function parse(json: unknown): Redactions {
  const { version, isFinished, entries, sum, ...others } = recordOf(json);
  if (version !== 1) throw new Error('its version is unknown');
  if (typeof isFinished !== 'boolean' || !Array.isArray(entries))
    throw new Error('it has no list of entries');
  if (Object.keys(others).length > 0) throw new Error('it has a field that is not known');
  // Older versions wrote none.
  if (sum !== undefined && sum !== sumOf(entries)) throw new Error('its checksum is another');
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
