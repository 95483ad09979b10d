/** The directory of a witness: its name, its key, the logs that it witnesses, and what it remembers of each. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { utf8Text } from '../core/bytes.ts';
import type { Clock } from '../core/clock.ts';
import { FormatError, systemCode } from '../core/errors.ts';
import { writeKeyPem } from '../signers/key-file.ts';
import { generateKey } from '../signers/key-types.ts';
import { localSigner } from '../signers/local-signer.ts';
import { openSigner } from '../signers/open-signer.ts';
import type { Signer } from '../signers/signer.ts';
import { makeDirectory, removeTemporary, syncDirectory, writeNewWhole } from '../storage/durable-file.ts';
import { holdFileLock, LockTimeout } from '../storage/file-lock.ts';
import { LogError } from '../tlog/core/log-error.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import { encodeVkey, makeVkey, parseVkey, type Vkey } from '../tlog/format/vkey.ts';
import { WitnessedLog, type WitnessKey } from './witnessed-log.ts';

/** Names in the directory. */
const KEY_FILE = 'witness.key.pem';
const VKEY_FILE = 'witness.vkey';
const LOGS_FILE = 'logs';
const HEADS_FOLDER = 'heads';
const LOCK_FILE = '.lock';

/** Most bytes of the file of logs, and logs in it. */
const MOST_BYTES = 1024 * 1024;
const MOST_LOGS = 1_000;

/** A witness that can be asked. */
export interface OpenedWitness {
  readonly vkey: Vkey;
  /** By origin. */
  readonly logs: ReadonlyMap<string, WitnessedLog>;
  /** Lets another process have the directory. */
  readonly close: () => void;
}

const LOGS_TEXT = `# The logs that this witness cosigns, each with its verifier key of Ed25519, one a line:
#   log example.com/log+1a2b3c4d+AW5…
`;

/** Makes the directory of a witness of that name with a new key, which the passphrase encrypts where there is one; returns its verifier key. Throws LogError `LOG_EXISTS` where there is a key already, FormatError for a name that none can have, and the system's errors. A crash leaves a directory in which the
 * same command makes what is missing. */
export async function createWitness(
  directory: string,
  name: string,
  passphrase: string | undefined,
): Promise<Vkey> {
  const key = await generateKey('ed25519');
  const vkey = vkeyOf(name, localSigner(key));
  await makeDirectory(join(directory, HEADS_FOLDER));
  await writeUnlessThere(join(directory, LOGS_FILE), LOGS_TEXT, 0o644);
  if (await isThere(join(directory, VKEY_FILE))) throw exists(directory);
  // The name is written last: a key that no name belongs to was never used.
  const keyFile = join(directory, KEY_FILE);
  const isNew = await writeUnlessThere(keyFile, writeKeyPem(key, passphrase), 0o600);
  const own = isNew ? vkey : vkeyOf(name, await openSigner(keyFile, { passphrase }));
  await writeUnlessThere(join(directory, VKEY_FILE), `${encodeVkey(own)}\n`, 0o644);
  await syncDirectory(directory);
  return own;
}

const exists = (directory: string): LogError =>
  new LogError('LOG_EXISTS', `${directory} is that of a witness already`, {
    hint: 'A witness keeps its key and what it remembers. Name another directory for another one.',
  });

/** Whether it was not there. */
async function writeUnlessThere(path: string, text: string, mode: number): Promise<boolean> {
  try {
    await writeNewWhole(path, text, mode);
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw error;
  }
}

const isThere = (path: string): Promise<boolean> =>
  readFile(path).then(
    () => true,
    (error: unknown) => {
      if (systemCode(error) === 'ENOENT') return false;
      throw error;
    },
  );

/** Opens the witness, for one process at a time: of two, each would cosign what the other does not know. Rejects with LogError `LOG_MISSING` where there is none, `LOG_LOCKED` where another process has it, `LOG_WRONG_KEY` for a key that is not that of the name, FormatError for a file of logs that cannot be read, and with what opening the key rejects with. */
export async function openWitness(
  directory: string,
  passphrase: string | undefined,
  clock: Clock,
): Promise<OpenedWitness> {
  const text = await readText(join(directory, VKEY_FILE));
  if (text === undefined)
    throw new LogError('LOG_MISSING', `${directory} is not that of a witness`, {
      hint: 'Make one with `mayfly witness init`.',
    });
  const vkey = parseVkey(sha256, text.trimEnd());
  const signer = await openSigner(join(directory, KEY_FILE), { passphrase });
  if (encodeVkey(vkeyOf(vkey.name, signer)) !== encodeVkey(vkey))
    throw new LogError('LOG_WRONG_KEY', `${KEY_FILE} is not the key that ${VKEY_FILE} names`, {
      hint: 'Put back the two files that were made together.',
    });
  const keys = logKeysIn((await readText(join(directory, LOGS_FILE))) ?? '');
  const close = await holdFileLock(join(directory, LOCK_FILE), 0).catch((cause: unknown) => {
    if (!(cause instanceof LockTimeout)) throw cause;
    throw new LogError('LOG_LOCKED', `another process is the witness in ${directory}`, {
      cause,
      hint: 'Stop it first.',
    });
  });
  const heads = join(directory, HEADS_FOLDER);
  await removeTemporary(heads);
  return { vkey, logs: witnessedLogs(keys, heads, { vkey, signer }, clock), close };
}

function witnessedLogs(
  vkeys: readonly Vkey[],
  heads: string,
  own: WitnessKey,
  clock: Clock,
): ReadonlyMap<string, WitnessedLog> {
  const byOrigin = Map.groupBy(vkeys, ({ name }) => name);
  return new Map(
    [...byOrigin].map(([origin, keys]) => [origin, new WitnessedLog(origin, keys, heads, own, clock)]),
  );
}

/** The keys in the text of a file of logs. Throws {@link FormatError} that names the line. */
export function logKeysIn(text: string): readonly Vkey[] {
  const keys: Vkey[] = [];
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    const [keyword = '#', vkey = '', url, ...more] = line.split(/[ \t]+/).filter((word) => word !== '');
    if (keyword.startsWith('#')) continue;
    const wrong = (what: string): FormatError =>
      new FormatError('MALFORMED', `line ${i + 1} of the logs of the witness: ${what}`);
    if (keyword !== 'log' || more.length > 0 || url?.startsWith('http') === false)
      throw wrong('it is not "log VKEY [URL]"');
    const key = readKey(vkey, wrong);
    if (key.type !== 'ed25519') throw wrong('a witness needs the key of Ed25519 of a log (type 01)');
    keys.push(key);
  }
  if (keys.length > MOST_LOGS) throw new FormatError('TOO_LARGE', 'a witness has too many logs');
  return keys;
}

function readKey(text: string, wrong: (what: string) => FormatError): Vkey {
  try {
    return parseVkey(sha256, text);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw wrong(error.message);
  }
}

const vkeyOf = (name: string, { publicKey }: Signer): Vkey =>
  makeVkey(sha256, name, 'cosignature', publicKey.subarray(-32));

async function readText(path: string): Promise<string | undefined> {
  try {
    const bytes = await readFile(path);
    if (bytes.length > MOST_BYTES) throw new FormatError('TOO_LARGE', `${path} is too large`);
    return utf8Text(bytes);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
