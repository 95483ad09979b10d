import { accessSync, constants, statSync } from 'node:fs';
import type { Path, Report } from '../findings/report.ts';

/** Warns of a file that the configuration names at `path` and that this user cannot read, or that is empty; what it is
 * for stands in `what`. Looks at it without reading: it may be a pipe that can be read once. */
export function findUnusableFile(file: string, what: string, path: Path, report: Report): void {
  const fault = faultOf(file);
  if (fault === undefined) return;
  report.finding('FILE_UNUSABLE', path, `${file} ${fault}`, {
    hint: `The service does not start without ${what}. If it runs on another machine or as another user, check there.`,
  });
}

function faultOf(file: string): string | undefined {
  try {
    const found = statSync(file);
    if (found.isDirectory()) return 'is a directory';
    accessSync(file, constants.R_OK);
    return found.isFile() && found.size === 0 ? 'is empty' : undefined;
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`;
  }
}
