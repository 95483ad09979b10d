import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The checkout: the folder with `package.json` and `bin/`, wherever this file runs from (source or `dist`). */
export const projectRoot = ((): string => {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'bin/mayfly.js'))) folder = dirname(folder);
  return folder;
})();
