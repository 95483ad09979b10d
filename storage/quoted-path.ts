import { resolve } from 'node:path';

/** A file or directory that this process was given, as a word of a printed command: absolute, for a POSIX shell. */
export const quotedPath = (path: string): string => quoted(resolve(path));

/** `word` for a POSIX shell; as it is when nothing in it is special. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
