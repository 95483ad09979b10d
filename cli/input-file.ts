/** Files named on the command line, read with a limit. */
import { open, stat } from 'node:fs/promises';
import { CommandError } from './command.ts';

/** Beyond every certificate, chain, key list or proof. */
const LIMIT = 1024 * 1024;

const REASONS: ReadonlyMap<string | undefined, string> = new Map([
  ['ENOENT', 'does not exist'],
  ['ENOTDIR', 'is not there: a part of its path is no directory'],
  ['EISDIR', 'is a directory'],
  ['EACCES', 'may not be read by this user'],
]);

/** The bytes of a file; throws {@link CommandError} `USAGE` when it cannot be read or is too large. `what` is named
 * in the sentence, `hint` says what to do. */
export async function readLimited(path: string, what: string, hint?: string): Promise<Uint8Array> {
  try {
    const file = await open(path);
    try {
      const { size } = await file.stat();
      if (size > LIMIT) throw new CommandError('USAGE', `${what}: ${path} is larger than 1 MiB`, { hint });
      return await file.readFile();
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof CommandError) throw cause;
    const reason = REASONS.get((cause as NodeJS.ErrnoException).code) ?? 'cannot be read';
    throw new CommandError('USAGE', `${what}: ${path} ${reason}`, { hint, cause });
  }
}

/** The bytes of a file, or of stdin when `path` is `-`; limit and errors as {@link readLimited}. */
export async function readFileOrStdin(path: string, what: string, hint?: string): Promise<Uint8Array> {
  if (path !== '-') return readLimited(path, what, hint);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > LIMIT) throw new CommandError('USAGE', `${what}: stdin is larger than 1 MiB`, { hint });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The text of a file, or of stdin when `path` is `-`; throws {@link CommandError} as {@link readLimited}. */
export async function readInput(path: string, option: string): Promise<string> {
  return Buffer.from(await readFileOrStdin(path, option)).toString();
}

/** Whether nothing is at `path`. */
export async function isMissing(path: string): Promise<boolean> {
  return stat(path).then(
    () => false,
    (error: unknown) => (error as NodeJS.ErrnoException).code === 'ENOENT',
  );
}
