/** Commands that the program prints: to be pasted into a shell in any directory. */
import { realpathSync } from 'node:fs';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import { quoted, quotedPath } from '../../storage/quoted-path.ts';

/** How this program is called: `mayfly` where the shell finds this very program by that name, else its absolute path. */
export function invocation(script = process.argv[1], path = process.env['PATH']): string {
  if (script === undefined || !/[/\\]mayfly(\.js)?$/.test(script)) return 'mayfly';
  return isFoundByName(script, path ?? '') ? 'mayfly' : quoted(resolve(script));
}

/** The option that opens the keys, as a printed command repeats it; empty where it was not given. */
export const passphraseWords = ({
  passphraseFile,
}: {
  readonly passphraseFile?: string | undefined;
}): string => (passphraseFile === undefined ? '' : ` --passphrase-file ${quotedPath(passphraseFile)}`);

/** Whether the first `mayfly` on the path is `script`. Folders that npm puts there for a script or for `npx` are not on
 * the path of the shell behind it. */
function isFoundByName(script: string, path: string): boolean {
  const folders = path.split(delimiter).filter((folder) => isAbsolute(folder) && !/[/\\]\.bin$/.test(folder));
  const names = process.platform === 'win32' ? ['mayfly.cmd'] : ['mayfly'];
  const found = folders.flatMap((folder) => names.map((name) => realPath(join(folder, name)))).find(Boolean);
  // What Windows finds is a script that starts this one.
  return process.platform === 'win32'
    ? found !== undefined
    : found !== undefined && found === realPath(script);
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

/** Advice that names an option, for a program that `npm start` runs: npm takes options for its own that stand before
 * `--`. Other advice is returned as it is. */
export function adviceUnderNpm(advice: string, environment = process.env): string {
  const [option] = /--[a-z][a-z-]+(?: [^\s,;]*[^\s,;.:)])?/.exec(advice) ?? [];
  if (option === undefined || environment['npm_lifecycle_event'] !== 'start') return advice;
  return `${advice} Started by npm, the option goes after "--": npm start -- ${option}`;
}
