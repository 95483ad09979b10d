import { relative } from 'node:path';

/** How this program was called, to be pasted into the same shell: `./bin/mayfly.js` in a checkout, else `mayfly`. */
export function invocation(script = process.argv[1], directory = process.cwd()): string {
  if (script === undefined || !/[/\\]bin[/\\]mayfly\.js$/.test(script)) return 'mayfly';
  if (/[/\\]node_modules[/\\]/.test(script)) return 'npx mayfly';
  const path = relative(directory, script);
  return quoted(path.startsWith('..') ? script : `./${path}`);
}

/** `word` for a POSIX shell; as it is when nothing in it is special. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
