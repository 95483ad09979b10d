/** Directories that commands write for others. */
import { relative, resolve } from 'node:path';
import { CommandError } from './command.ts';

/** Throws {@link CommandError} `USAGE` when `out` lies in the data directory; both are absolute paths. */
export function refuseInside(data: string, out: string): void {
  const path = relative(data, out);
  if (path.startsWith('..') || resolve(path) === path) return;
  throw new CommandError('USAGE', '--out lies inside the data directory', {
    hint: 'Name another directory, so that the files can be handed on without what is secret beside them.',
  });
}
