import { spawnSync } from 'node:child_process';

/** Skips `test` unless the machine has what it needs, and says so: a test that nobody ran must not look like one that
 * passed. `lacking` is what the machine does not have. */
export function skipUnless(test: Mocha.Context, hasIt: boolean, lacking: string): asserts hasIt {
  if (hasIt) return;
  console.warn(`      NOT TESTED: ${lacking}`);
  test.skip();
}

/** Skips `test` where a process may not mount in a name space of its own. Asked of a mount that cannot fail otherwise, so that
 * what fails later is the program. */
export function needMounts(test: Mocha.Context): void {
  const { status } = spawnSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'none', '/tmp'], {
    stdio: 'ignore',
  });
  skipUnless(test, status === 0, 'nobody may mount here');
}
