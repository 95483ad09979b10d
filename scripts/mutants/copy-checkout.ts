import { execFileSync } from 'node:child_process';
import { cpSync, existsSync } from 'node:fs';
import { join } from 'node:path';

/** Copies what git has or would add of the checkout at `root` to `copy`: the checkout as it stands, changes and deletions and all. */
export function copyCheckout(root: string, copy: string): void {
  const files = execFileSync('git', ['ls-files', '-coz', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  });
  for (const file of files.split('\0').filter((name) => name !== '')) {
    const from = join(root, file);
    // Git lists a file that it has until its deletion is staged.
    if (existsSync(from)) cpSync(from, join(copy, file), { force: true, errorOnExist: false });
  }
}
