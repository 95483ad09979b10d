/** `.ci/run` with stand-ins for git and npm: what becomes of checks that fail once or always, and of all when it is ended. */
import { spawn, type ChildProcess } from 'node:child_process';
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
import { BROKEN } from '../../scripts/checks/checks.ts';
import { projectRoot } from '../support/project-root.ts';
import { skipUnless } from '../support/skipped.ts';

/** Clones the runner of the checks alone, with the packages. On the oldest and the next Node, everything passes. */
const GIT = `#!/bin/bash
clone=\${!#}
mkdir -p "$clone/scripts"
ln -s "$PROJECT/scripts/checks" "$clone/scripts/checks"
ln -s "$PROJECT/node_modules" "$clone/node_modules"
echo 'console.log("  1 passing (1s)")' >"$clone/scripts/test-on-node.ts"
`;
/**
 * Steps succeed and suites pass, but for these: \`HANGS\` goes on for ever in a process that it started, and so does the linter
 * beside it, and whatever begins later; \`npm test\` runs the files of SUITE, one of them alone for \`test:file\`; \`FAILS\` fails as often as it says.
 */
const NPM = `#!/bin/bash
fails() {
  [ "$(ls "$PIDS/.." | grep -c '^failed')" -lt "\${TIMES:-0}" ] && mktemp "$PIDS/../failed.XXXXXX" >/dev/null
}
hang() {
  sleep 1000 & echo $! >"$PIDS/$!"
  echo $$ >"$PIDS/$$"
  wait
}
tests() { exec node "$PROJECT/node_modules/mocha/bin/mocha.js" --require "$PROJECT/test/support/mocha-run.ts" "$@"; }
if [ -n "$HANGS" ] && [ -n "$(ls "$PIDS")" ]; then hang; fi
case "$*" in
  "$HANGS"|"\${HANGS:+run --silent lint}") hang ;;
  "$FAILS") if fails; then echo 'it was slow'; exit "\${STATUS:-3}"; fi ;;
  test) if [ -n "$SUITE" ]; then tests \${MODE:---parallel} "$SUITE"/*.test.mjs; fi; echo '  1 passing (1s)' ;;
  'run --silent test:file -- '*) tests "\${!#}" ;;
  'run --silent test:'*) echo '  1 passing (1s)' ;;
esac
`;

/** How many pass when all do: five steps, and one test of each of five suites. */
const PASSED = 5 + 5;

/** A test file whose `fail(TIMES)` throws as often as that, counted in a file beside it. */
const failing = (body: string): string => `
import { appendFileSync, readFileSync } from 'node:fs';
const fail = (times) => {
  appendFileSync(import.meta.filename + '.tries', '.');
  if (readFileSync(import.meta.filename + '.tries', 'utf8').length <= times) throw new Error('went wrong\\nfor a reason');
};
describe('some', () => { ${body} });
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
  this.timeout(60_000);
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

  /** `.ci/run` with variables for its stand-ins. */
  const start = (more: NodeJS.ProcessEnv, stdout: 'ignore' | 'pipe'): ChildProcess => {
    const env = {
      ...process.env,
      PATH: [join(root, 'bin'), process.env['PATH']].join(delimiter),
      PROJECT: projectRoot,
      PIDS: join(root, 'pids'),
      TMPDIR: join(root, 'tmp'),
      ...more,
    };
    return spawn(join(projectRoot, '.ci/run'), [], { env, stdio: ['ignore', stdout, 'inherit'] });
  };

  for (const [signal, status] of [
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)
    for (const [what, hangs, count] of [
      ['npm ci', 'ci --no-fund --no-audit', 2],
      ['the suite that runs', 'test', 2],
      ['what runs beside it, too', 'run --silent test:long', 4],
    ] as const)
      it(`ends ${what} at ${signal}, and leaves no file`, async () => {
        const child = start({ HANGS: hangs }, 'ignore');
        const ended = once(child, 'exit');
        const pids = (): number[] => readdirSync(join(root, 'pids')).map(Number);
        while (pids().length < count && child.exitCode === null) await pause(20);
        const started = pids();
        expect(started).to.have.length(count);
        child.kill(signal);
        expect(await ended).to.deep.equal([status, null]);
        // Nothing more was started meanwhile.
        expect(pids()).to.have.members(started);
        // What got the signal in the end may be on its way out; what got none would stay until this times out.
        while (started.some(isAlive)) await pause(20);
        expect(readdirSync(join(root, 'tmp'))).to.deep.equal([]);
      });

  /** Runs it to its end, with test files: name → text. Resolves to its status, its last line, the lines of warnings, and all of it. */
  const run = async (
    files: Readonly<Record<string, string>>,
    more: NodeJS.ProcessEnv = {},
  ): Promise<{
    readonly end: readonly [unknown, string];
    readonly warnings: readonly string[];
    readonly said: string;
  }> => {
    const suite = join(root, 'suite');
    mkdirSync(suite);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(suite, `${name}.test.mjs`), text);
    const child = start({ ...(Object.keys(files).length > 0 && { SUITE: suite }), ...more }, 'pipe');
    let said = '';
    child.stdout?.setEncoding('utf8').on('data', (part: string) => (said += part));
    const [status] = (await once(child, 'close')) as [unknown];
    const lines = said.trim().split('\n');
    const warnings = lines
      .filter((line) => line.startsWith('WARNING'))
      .map((line) => line.replace(/ \S*\/suite\//, ' '));
    return { end: [status, lines.at(-1) ?? ''], warnings, said };
  };

  it('counts what passes', async () => {
    const { end, warnings } = await run({
      good: `it('is right', () => {}); it.skip('is left out', () => {});`,
    });
    expect(end).to.deep.equal([0, `${PASSED} passed, 0 failed, 1 skipped`]);
    expect(warnings).to.deep.equal([]);
  });

  it('counts as passed, with a warning, what holds at a second attempt: a test, a hook', async () => {
    const { end, warnings, said } = await run({
      good: `it('is right', () => {});`,
      once: failing(`it('holds', () => { fail(1); })`),
      hook: failing(`before('a start', () => { fail(1); }); it('needs it', () => {})`),
    });
    expect(warnings).to.have.members([
      'WARNING: held at the second attempt: once.test.mjs: some holds: went wrong',
      'WARNING: held at the second attempt: hook.test.mjs: some "before all" hook: a start for "needs it": went wrong',
    ]);
    expect(end).to.deep.equal([0, `${PASSED + 2} passed, 0 failed, 0 skipped`]);
    expect(said).not.to.contain('FAILED');
  });

  it('counts as failed what fails twice, in the words of mocha, beside one that holds', async () => {
    const { end, warnings, said } = await run({
      good: `it('is right', () => {});`,
      once: failing(`it('holds', () => { fail(1); })`),
      twice: failing(`it('never holds', () => { fail(2); })`),
      hook: failing(`before('a start', () => { fail(2); }); it('needs it', () => {})`),
    });
    expect(warnings).to.deep.equal([
      'WARNING: held at the second attempt: once.test.mjs: some holds: went wrong',
    ]);
    expect(end).to.deep.equal([1, `${PASSED + 1} passed, 2 failed, 0 skipped`]);
    const summary = said.slice(said.indexOf('== all of it'));
    expect(summary)
      .to.match(/== FAILED: npm test\n +3 failing\n/)
      .and.contain('never holds:')
      .and.contain('a start');
  });

  it('makes no second attempt at a property with a counterexample, beside one of another file that holds', async () => {
    const { end, warnings, said } = await run({
      once: failing(`it('holds', () => { fail(1); })`),
      property: `
        import { existsSync, writeFileSync } from 'node:fs';
        it('is true for all', () => {
          if (existsSync(import.meta.filename + '.tries')) return;
          writeFileSync(import.meta.filename + '.tries', '');
          throw new Error('Property failed after 7 tests\\n{ seed: 1 }');
        });`,
    });
    expect(warnings).to.deep.equal([
      'WARNING: held at the second attempt: once.test.mjs: some holds: went wrong',
    ]);
    expect(end).to.deep.equal([1, `${PASSED} passed, 1 failed, 0 skipped`]);
    expect(said.slice(said.indexOf('== all of it'))).to.contain('Property failed after 7 tests');
  });

  it('makes no second attempt when the run did not end for its failure alone', async () => {
    const once = `process.once('exit', () => process.exit(86)); ${failing("it('holds', () => { fail(1); })")}`;
    const { end, said } = await run({ once }, { MODE: '--no-parallel' });
    expect(end).to.deep.equal([1, `${PASSED - 1} passed, 1 failed, 0 skipped`]);
    expect(said).not.to.contain('second attempt');
  });

  it('counts as failed a test that its second attempt skips, and makes that before the build', async () => {
    const { end, warnings, said } = await run({
      skips: failing(`it('is right', () => {});
        it('holds', function () {
          fail(1);
          this.skip();
        })`),
    });
    expect(warnings).to.deep.equal([]);
    expect(end).to.deep.equal([1, `${PASSED} passed, 1 failed, 0 skipped`]);
    expect(said.indexOf('second attempt, alone')).to.be.within(1, said.indexOf('== npm run build'));
  });

  for (const [what, command] of [
    ['campaign', 'run --silent campaign -- --short'],
    ['attacks', 'run --silent abuse -- --short --json ../abuse.json'],
  ] as const)
    it(`makes no second attempt when the ${what} found a promise broken`, async () => {
      const { end, said } = await run({}, { FAILS: command, TIMES: '1', STATUS: String(BROKEN) });
      expect(end).to.deep.equal([1, `${PASSED - 1} passed, 1 failed, 0 skipped`]);
      expect(said).not.to.contain('second attempt');
    });

  it('makes no second attempt when many files failed', async () => {
    const many = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => [
      name,
      failing(`it('holds', () => { fail(1); })`),
    ]);
    const { end, said } = await run(Object.fromEntries(many) as Record<string, string>);
    expect(end).to.deep.equal([1, `${PASSED - 1} passed, 6 failed, 0 skipped`]);
    expect(said).not.to.contain('second attempt');
  });

  it('counts as failed a file that cannot be loaded', async () => {
    const { end, said } = await run({
      broken: `it('is right', () => {}); throw new Error('not loaded');`,
    });
    expect(end).to.deep.equal([1, `${PASSED - 1} passed, 1 failed, 0 skipped`]);
    expect(said.slice(said.indexOf('== all of it'))).to.contain('Error: not loaded');
  });

  for (const [what, fails, times, isHeld] of [
    ['the attacks once', 'run --silent abuse -- --short --json ../abuse.json', 1, true],
    ['the attacks twice', 'run --silent abuse -- --short --json ../abuse.json', 2, false],
    ['the linter once', 'run --silent lint', 1, false],
    ['a suite, without a count,', 'run --silent test:long', 1, false],
  ] as const)
    it(`${isHeld ? 'passes with a warning' : 'fails'} when it fails ${what}`, async () => {
      const { end, warnings, said } = await run({}, { FAILS: fails, TIMES: String(times) });
      expect(end).to.deep.equal(
        isHeld
          ? [0, `${PASSED} passed, 0 failed, 0 skipped`]
          : [1, `${PASSED - 1} passed, 1 failed, 0 skipped`],
      );
      expect(warnings).to.have.length(isHeld ? 1 : 0);
      if (!isHeld)
        expect(said.slice(said.indexOf('== all of it'))).to.match(/== FAILED: .* ended with 3\nit was slow/);
    });
});
