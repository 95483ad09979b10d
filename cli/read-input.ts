import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { CommandError } from './command.ts';

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  EISDIR: 'is a directory',
  EACCES: 'may not be read by this user',
};

/** The text of a file named on the command line, or of stdin when it is `-`. Throws {@link CommandError}; `option`
 * is named in its sentence. */
export async function readInput(file: string, option: string): Promise<string> {
  try {
    return file === '-' ? await text(process.stdin) : await readFile(file, 'utf8');
  } catch (cause) {
    const reason = REASONS[String((cause as NodeJS.ErrnoException).code)] ?? 'cannot be read';
    throw new CommandError('FAILED', `${option}: ${file} ${reason}`, { cause });
  }
}
