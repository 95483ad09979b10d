/** `.ci/run` with stand-ins for git and npm: what becomes of its checks when it is ended. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'chai';
import { projectRoot } from '../support/project-root.ts';
import { skipUnless } from '../support/skipped.ts';

/** Clones nothing. */
const GIT = '#!/bin/bash\nmkdir -p "${!#}"\n';
/** A suite goes on for ever in a process that it started, and so does the linter beside it; everything else is done at once. */
const NPM = `#!/bin/bash
case "$*" in
  "$HANGS"|'run --silent lint')
    sleep 1000 & echo $! >"$PIDS/$!"
    echo $$ >"$PIDS/$$"
    wait ;;
  test) echo '  1 passing (1s)' ;;
esac
`;

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    // What has ended, and nobody waited for, is none.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};

describe('.ci/run', function () {
  this.timeout(20_000);
  let root: string;
  beforeEach(function () {
    skipUnless(this, process.platform === 'linux', 'this is not Linux');
    root = mkdtempSync(join(tmpdir(), 'mayfly-ci-run-'));
    for (const folder of ['bin', 'pids', 'tmp']) mkdirSync(join(root, folder));
    for (const [name, text] of [
      ['git', GIT],
      ['npm', NPM],
    ] as const) {
      writeFileSync(join(root, 'bin', name), text);
      chmodSync(join(root, 'bin', name), 0o755);
    }
  });
  afterEach(() => {
    if (!existsSync(root)) return;
    for (const pid of readdirSync(join(root, 'pids')).map(Number))
      if (isAlive(pid)) process.kill(pid, 'SIGKILL');
    rmSync(root, { recursive: true, force: true });
  });

  for (const [signal, status] of [
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)
    for (const [what, hangs, count] of [
      ['the suite that runs', 'test', 2],
      ['what runs beside it, too', 'run --silent test:long', 4],
    ] as const)
      it(`ends ${what} at ${signal}, and leaves no file`, async () => {
        const env = {
          ...process.env,
          PATH: [join(root, 'bin'), process.env['PATH']].join(delimiter),
          HANGS: hangs,
          PIDS: join(root, 'pids'),
          TMPDIR: join(root, 'tmp'),
        };
        const child = spawn(join(projectRoot, '.ci/run'), [], { env, stdio: 'ignore' });
        const ended = once(child, 'exit');
        const pids = (): number[] => readdirSync(join(root, 'pids')).map(Number);
        while (pids().length < count && child.exitCode === null) await pause(20);
        const started = pids();
        expect(started).to.have.length(count);
        child.kill(signal);
        expect(await ended).to.deep.equal([status, null]);
        expect(started.filter(isAlive)).to.deep.equal([]);
        expect(readdirSync(join(root, 'tmp'))).to.deep.equal([]);
      });
});
