/** A file to be signed, or standard input. */
import { systemCode } from '../../core/errors.ts';
import { CommandError } from '../program/command.ts';
import { blocksOf, readFault } from '../program/input-file.ts';

/** `-`, which names standard input in the place of a file. */
export const STDIN = '-';

/** The bytes of a file of whatever size, or of stdin where `path` is `-`. The iteration rejects with {@link CommandError} `USAGE` when it cannot be read. */
export async function* bytesOf(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  const blocks = path === STDIN ? (process.stdin as AsyncIterable<Uint8Array>) : blocksOf(path);
  try {
    for await (const block of blocks) yield block;
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    throw readFault(path, 'FILE', error);
  }
}

/** What a person calls it. */
export const artifactName = (path: string): string => (path === STDIN ? 'stdin' : path);

/** Throws {@link CommandError} `USAGE` when standard input would be read twice; `places` are what the options name, with their names. */
export function requireOneStdin(
  places: readonly (readonly [option: string, path: string | undefined])[],
): void {
  const [first, second] = places.filter(([, path]) => path === STDIN);
  if (first === undefined || second === undefined) return;
  throw new CommandError('USAGE', `stdin can be only one of ${first[0]} and ${second[0]}`);
}
