/** Files named on the command line, read with a limit. */
import { closeSync, openSync, readSync } from 'node:fs';
import { systemCode } from '../../core/errors.ts';
import { readWhole, readWholeNow, UnfitFile } from '../../storage/read-whole.ts';
import { readSecretFile, type Warn } from '../../storage/secret-file.ts';
import { CommandError, notify } from './command.ts';
import { noteAuthorization } from './sent-secrets.ts';

/** Beyond every certificate, chain, key list or proof. */
const LIMIT = 1024 * 1024;

/** Beyond every bundle that is read: more than its format allows. */
export const BUNDLE_LIMIT = 34 * 1024 * 1024;

/** How long a pipe that is named in the place of a file may be silent, in milliseconds. */
const PIPE_TIMEOUT_MS = 60_000;

const REASONS: ReadonlyMap<string | undefined, string> = new Map([
  ['ENOENT', 'does not exist'],
  ['ENOTDIR', 'is not there: a part of its path is no directory'],
  ['EISDIR', 'is a directory'],
  ['EACCES', 'may not be read by this user'],
]);

/** The bytes of a file; throws {@link CommandError} `USAGE` when it cannot be read or is larger than `size`, 1 MiB. `what` is named
 * in the sentence, `hint` says what to do. A pipe will do where the file itself was named, not where it was found. */
export async function readLimited(
  path: string,
  what: string,
  hint?: string,
  found = false,
  limit = LIMIT,
): Promise<Uint8Array> {
  try {
    const now = readWholeNow(path, limit);
    return now ?? (await readWhole(path, { size: limit, pipePatience: found ? undefined : PIPE_TIMEOUT_MS }));
  } catch (cause) {
    throw readFault(path, what, cause, hint);
  }
}

/** The {@link CommandError} `USAGE` for a file that could not be read; `what` and `hint` as for {@link readLimited}. */
export function readFault(path: string, what: string, cause: unknown, hint?: string): CommandError {
  const reason =
    cause instanceof UnfitFile ? cause.message : (REASONS.get(systemCode(cause)) ?? 'cannot be read');
  return new CommandError('USAGE', `${what}: ${path} ${reason}`, { hint, cause });
}

/** The bytes of a file, or of stdin when `path` is `-`; limit and errors as {@link readLimited}. */
export async function readFileOrStdin(
  path: string,
  what: string,
  hint?: string,
  limit = LIMIT,
): Promise<Uint8Array> {
  if (path !== '-') return readLimited(path, what, hint, false, limit);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit)
      throw new CommandError('USAGE', `${what}: stdin is larger than ${limit >> 20} MiB`, { hint });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Bytes of a {@link blocksOf} block. */
const BLOCK = 256 * 1024;

/** The bytes of a file of whatever size, or of a pipe, block by block, for a program that has nothing else to do meanwhile; the iteration throws the system's error. */
export function* blocksOf(path: string): Generator<Uint8Array, void, undefined> {
  const file = openSync(path, 'r');
  try {
    for (;;) {
      const block = Buffer.allocUnsafeSlow(BLOCK);
      const length = readSync(file, block);
      if (length === 0) return;
      yield block.subarray(0, length);
    }
  } finally {
    closeSync(file);
  }
}

/** The text of a file, or of stdin when `path` is `-`; throws {@link CommandError} as {@link readLimited}. */
export async function readInput(path: string, option: string): Promise<string> {
  return Buffer.from(await readFileOrStdin(path, option)).toString();
}

const toStderr: Warn = (sentence) => {
  notify(`mayfly: warning: ${sentence}`);
};

/** The first line of a file that holds a secret; limits and errors as {@link readSecretFile}. */
export const readSecret = (
  path: string | undefined,
  what: string,
  warn: Warn = toStderr,
): Promise<string | undefined> => readSecretFile(path, what, warn);

/** The same of a token that is going to be sent as a bearer: nothing that is printed from now on repeats it. */
export async function readAccessToken(path: string | undefined, what: string): Promise<string | undefined> {
  const token = await readSecret(path, what);
  if (token !== undefined) noteAuthorization(`Bearer ${token}`);
  return token;
}
