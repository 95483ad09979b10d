import { readFile } from 'node:fs/promises';
import { CommandError } from './command.ts';

/** The first line of a file that holds a passphrase or an access token; undefined when no file is named. `what` names
 * the secret in a complaint. Throws {@link CommandError} when the file cannot be read or its first line is empty. */
export async function readSecretFile(path: string | undefined, what: string): Promise<string | undefined> {
  if (path === undefined) return undefined;
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    const { code = 'unknown' } = cause as NodeJS.ErrnoException;
    throw new CommandError('FAILED', `the ${what} file ${path} cannot be read (${code})`, {
      hint: 'Check the path and that this user may read it.',
      cause,
    });
  }
  const [line = ''] = text.split(/\r?\n/, 1);
  if (line !== '') return line;
  throw new CommandError('FAILED', `the ${what} file ${path} is empty`, {
    hint: `Write the ${what} into its first line.`,
  });
}
