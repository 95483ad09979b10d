import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The path of a file in `test/vectors`, also when the tests run from `dist`. */
export function vectorPath(name: string): string {
  let directory = import.meta.dirname;
  while (!existsSync(join(directory, 'test', 'vectors', name))) {
    const parent = dirname(directory);
    if (parent === directory) throw new Error(`no vector file ${name}`);
    directory = parent;
  }
  return join(directory, 'test', 'vectors', name);
}
