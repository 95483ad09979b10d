/** Directories that commands write for others. */
import { isAbsolute, relative, sep } from 'node:path';
import { CommandError } from './command.ts';

/** Whether `path` is `directory` or lies in it; both are absolute. A name may begin with two dots, and another drive is no place below this one. */
export function isInside(directory: string, path: string): boolean {
  const way = relative(directory, path);
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

/** Throws {@link CommandError} `USAGE` when `out` lies in the data directory; both are absolute paths. */
export function refuseInside(data: string, out: string): void {
  if (!isInside(data, out)) return;
  throw new CommandError('USAGE', '--out lies inside the data directory', {
    hint: 'Name another directory, so that the files can be handed on without what is secret beside them.',
  });
}
