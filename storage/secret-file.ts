import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { MayflyError } from '../core/errors.ts';
import { readWhole, UnfitFile } from './read-whole.ts';
import { quotedPath } from './quoted-path.ts';

/** A secret that cannot be read, or is empty. */
class SecretFileError extends MayflyError<'FAILED'> {}

/** Gets a warning about a secret that is less secret than it should be. */
export type Warn = (sentence: string) => void;

/** The first line of a file that holds a passphrase or an access token; undefined when no file is named. `what` names
 * the secret in messages; `warn` gets a sentence about a file that everybody on this machine may read, and about one with a byte order mark. Throws
 * {@link SecretFileError} when the file cannot be read or its first line is empty. */
export async function readSecretFile(
  path: string | undefined,
  what: string,
  warn: Warn,
): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const text = await readOpen(path, what, warn);
  const [line = ''] = text.split(/\r?\n/, 1);
  // Not taken off: a key may have been encrypted with it.
  if (line.startsWith('\uFEFF')) warn(withMark(path, what));
  if (line !== '') return line;
  throw new SecretFileError('FAILED', `the ${what} file ${path} is empty`, {
    hint: `Write the ${what} into its first line.`,
  });
}

const withMark = (path: string, what: string): string =>
  `the ${what} file ${path} begins with a byte order mark, which counts as a part of the ${what}. Unless it was there from the beginning, write the file without it`;

/** Beyond every passphrase and access token. */
const LIMIT = 64 * 1024;
/** How long the writer of a secret may leave a pipe silent, in milliseconds. */
const PIPE_TIMEOUT_MS = 300_000;

async function readOpen(path: string, what: string, warn: Warn): Promise<string> {
  try {
    const text = await readWhole(path, { size: LIMIT, pipePatience: PIPE_TIMEOUT_MS });
    if (isForEverybody(await stat(path)))
      warn(`everybody on this machine may read the ${what} file ${path}. Run: chmod 600 ${quotedPath(path)}`);
    return text.toString();
  } catch (cause) {
    const { code = 'unknown' } = cause as NodeJS.ErrnoException;
    const reason = cause instanceof UnfitFile ? cause.message : `cannot be read (${code})`;
    throw new SecretFileError('FAILED', `the ${what} file ${path} ${reason}`, {
      hint: 'Check the path and that this user may read it.',
      cause,
    });
  }
}

/** Pipes have no readers but who holds them. A group may be how the service gets the file (Kubernetes does so), and
 * modes say nothing on Windows. */
const isForEverybody = (stats: Stats): boolean =>
  process.platform !== 'win32' && stats.isFile() && (stats.mode & 0o004) !== 0;
