/** Folders for the files of a run. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

let root: string | undefined;

/** A new folder of this run. It is gone when the run has ended, by whatever but SIGKILL. */
export function workFolder(name: string): string {
  root ??= makeRoot();
  return mkdtempSync(join(root, `${name}-`));
}

function makeRoot(): string {
  const made = mkdtempSync(join(tmpdir(), 'mayfly-bench-'));
  // Without a listener a signal ends the process, and nothing is removed.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));
  // A child that is killed now may still write while its folder goes.
  process.once('exit', () => {
    rmSync(made, { recursive: true, force: true, maxRetries: 5 });
  });
  return made;
}
