/** What a copy says of the log that it follows: `mirror.json`, and what proves that the log contradicted itself. */
import { join } from 'node:path';
import { toBase64, toHex, utf8, utf8Text } from '../core/bytes.ts';
import { FormatError } from '../core/errors.ts';
import { parseStrictJson, type JsonValue } from '../core/strict-json.ts';
import { LogError } from '../tlog/core/log-error.ts';
import { readLogFile } from '../tlog/core/log-file.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import type { BundleName } from '../tlog/format/tile.ts';
import { encodeVkey, parseVkey } from '../tlog/format/vkey.ts';
import type { LogCopy } from '../tlog/store/log-copy.ts';
import { logKeysAmong, type CtCheckpointKey } from './log-keys.ts';

/** In the directory of a copy. */
export const MIRROR_FILE = 'mirror.json';

/** Which log a copy is of, for good: what was chosen when it was begun. */
export interface MirrorRecord {
  readonly origin: string;
  /** Where its bundles of entries lie. */
  readonly bundle: BundleName;
  /** Each of them signs every head. At least one. */
  readonly keys: readonly CtCheckpointKey[];
}

const VERSION = 1;
const LIMITS = { length: 64 * 1024, depth: 4 };

/** What is in the directory `out`; undefined where no mirror was begun. Rejects with LogError `LOG_STORAGE` for a file that is none, and with a FileFault. */
export async function readMirrorRecord(out: string): Promise<MirrorRecord | undefined> {
  const bytes = await readLogFile(out, MIRROR_FILE);
  if (bytes === undefined) return undefined;
  try {
    return parseRecord(utf8Text(bytes));
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new LogError('LOG_STORAGE', `${join(out, MIRROR_FILE)} cannot be used: ${error.message}`, {
      cause: error,
      hint: 'It says which log the copy is of. Put it back from a backup, or begin another copy.',
    });
  }
}

/** Makes the record durable. */
export async function writeMirrorRecord(copy: LogCopy, record: MirrorRecord): Promise<void> {
  const { origin, bundle, keys } = record;
  const fields = { version: VERSION, origin, bundle, keys: keys.map(encodeVkey) };
  await copy.keep(MIRROR_FILE, utf8(`${JSON.stringify(fields, undefined, 2)}\n`));
}

function parseRecord(text: string): MirrorRecord {
  const value = parseStrictJson(text, LIMITS);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed();
  const { version, origin, bundle, keys } = value as Readonly<Record<string, JsonValue>>;
  if (version !== VERSION) throw new FormatError('UNSUPPORTED', 'its version is not known here');
  if (typeof origin !== 'string' || (bundle !== 'data' && bundle !== 'entries')) throw malformed();
  if (!Array.isArray(keys) || keys.length === 0) throw malformed();
  const vkeys = (keys as readonly JsonValue[]).map((key) => {
    if (typeof key !== 'string') throw malformed();
    return parseVkey(sha256, key);
  });
  return { origin, bundle, keys: logKeysAmong(vkeys) };
}

const malformed = (): FormatError => new FormatError('MALFORMED', 'it is not of the form of this program');

/** What a log said that cannot all be true. */
export interface Contradiction {
  readonly problem: string;
  /** The checkpoint that the copy is of, or that was seen last; undefined where there is none. */
  readonly kept?: Uint8Array | undefined;
  /** The checkpoint that was served. */
  readonly shown: Uint8Array;
  /** The root that the first entries of the shown tree have, as many as the kept one has, and the proof that this is so. */
  readonly fork?: { readonly rootAtKept: Uint8Array; readonly consistency: readonly Uint8Array[] };
  /** A file that the shown head contradicts. */
  readonly file?: { readonly path: string; readonly bytes: Uint8Array };
}

/** Files in the folder of contradictions, beyond which no more are kept: who controls the network can make up others for ever. */
const MOST_KEPT = 200;

/** Keeps it in the copy's folder `contradictions`, and returns the path of the file in that; undefined where there are too many already. The name is that of its content, so that the same one is kept once. */
export async function keepContradiction(
  copy: LogCopy,
  contradiction: Contradiction,
): Promise<string | undefined> {
  const { problem, kept, shown, fork, file } = contradiction;
  const fields = {
    problem,
    kept: kept === undefined ? undefined : new TextDecoder().decode(kept),
    shown: new TextDecoder().decode(shown),
    rootAtKept: fork === undefined ? undefined : toBase64(fork.rootAtKept),
    consistency: fork?.consistency.map(toBase64),
    file: file?.path,
    fileSha256: file === undefined ? undefined : toHex(sha256(file.bytes)),
  };
  const text = utf8(`${JSON.stringify(fields, undefined, 2)}\n`);
  const name = toHex(sha256(text)).slice(0, 16);
  const there = await copy.names('contradictions');
  if (there.length >= MOST_KEPT && !there.includes(`${name}.json`)) return undefined;
  if (file !== undefined) await copy.keep(`contradictions/${name}.served`, file.bytes);
  await copy.keep(`contradictions/${name}.json`, text);
  return `contradictions/${name}.json`;
}
