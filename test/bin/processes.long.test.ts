/** What the launcher makes of the process: which doors it finds open, and whom it ends with. */
import { expect } from 'chai';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { gone } from '../support/loader-process.ts';
import { projectRoot } from '../support/project-root.ts';
import { skipUnless } from '../support/skipped.ts';

/** Stands in for the built program. Says who it is, and on SIGWINCH whether a debugger is open; `busy` never returns to
 * its event loop. */
const STAND_IN = `
import { url } from 'node:inspector';
import { writeSync } from 'node:fs';
export async function main(words) {
  if (words[0] === 'quick') return;
  setInterval(() => {}, 1000);
  for (const signal of ['SIGINT', 'SIGTERM'])
    process.prependListener(signal, () => process.exit(7));
  process.on('SIGWINCH', () => console.log(JSON.stringify({ debugger: url() ?? 'none' })));
  writeSync(1, JSON.stringify({ pid: process.pid, lifeline: process.env.MAYFLY_LIFELINE }) + '\\n');
  if (words.includes('busy')) setTimeout(() => { for (;;); }, 200);
}`;

/** Says that it is another Node than it is. */
const PRETEND = `data:text/javascript,${encodeURIComponent(
  "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.19.0' } });",
)}`;

interface Running {
  readonly child: ChildProcess;
  /** The process that runs the program. */
  readonly pid: number;
  /** The next line of it. */
  readonly line: () => Promise<Record<string, unknown>>;
}

describe('bin/mayfly.js: the process', function () {
  this.timeout(60_000);
  let checkout: string;
  let launcher: string;
  const groups: ChildProcess[] = [];
  beforeEach(() => {
    checkout = realpathSync(mkdtempSync(join(tmpdir(), 'mayfly-process-')));
    launcher = join(checkout, 'bin/mayfly.js');
    cpSync(join(projectRoot, 'bin'), join(checkout, 'bin'), { recursive: true });
    mkdirSync(join(checkout, 'dist/cli'), { recursive: true });
    writeFileSync(join(checkout, 'dist/cli/main.js'), STAND_IN);
    const runtime = join(checkout, `node_modules/node-${process.platform}-${process.arch}/bin`);
    mkdirSync(runtime, { recursive: true });
    symlinkSync(process.execPath, join(runtime, 'node'));
    mkdirSync(join(checkout, 'node_modules/.bin'));
    symlinkSync('../../bin/mayfly.js', join(checkout, 'node_modules/.bin/mayfly'));
    const { scripts } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as {
      scripts: { start: string };
    };
    writeFileSync(
      join(checkout, 'package.json'),
      JSON.stringify({ name: 'mayfly', type: 'module', scripts: { start: scripts.start } }),
    );
  });
  afterEach(() => {
    for (const { pid } of groups.splice(0))
      try {
        if (pid !== undefined) process.kill(-pid, 'SIGKILL');
      } catch {
        // All of it has ended.
      }
    rmSync(checkout, { recursive: true });
  });

  function start(words: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
    const [program = '', ...args] = words;
    // A group of its own, so that nothing is left when a test fails.
    const child = spawn(program, args, {
      cwd: checkout,
      detached: true,
      env: { ...process.env, NODE_OPTIONS: '', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    groups.push(child);
    return child;
  }

  async function run(words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Running> {
    const child = start(words, env);
    if (child.stdout === null) throw new Error('no output');
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const line = async (): Promise<Record<string, unknown>> => {
      for (;;) {
        const next = await lines.next();
        if (next.done === true) throw new Error('the program has ended');
        if (next.value.startsWith('{')) return JSON.parse(next.value) as Record<string, unknown>;
      }
    };
    return { child, pid: (await line())['pid'] as number, line };
  }

  describe('doors of the runtime', () => {
    const refusedBy = async (
      options: readonly string[],
      env: Readonly<Record<string, string>> = {},
    ): Promise<{ status: unknown; code: string; message: string; hint: string }> => {
      const child = start([process.execPath, ...options, launcher, 'serve', '--json'], env);
      if (child.stdout === null) throw new Error('no output');
      const [ended, said] = await Promise.all([once(child, 'close'), text(child.stdout)]);
      const { error } = JSON.parse(said) as { error: { code: string; message: string; hint: string } };
      return { status: ended[0] as unknown, ...error };
    };

    const OPTIONS: readonly string[] = [
      '--inspect=127.0.0.1:0',
      '--inspect-port=127.0.0.1:0',
      '--debug-port=127.0.0.1:0',
      '--heapsnapshot-signal=SIGUSR2',
      '--heapsnapshot-near-heap-limit=1',
      '--report-on-signal',
      '--report-on-fatalerror',
      '--report-uncaught-exception',
      '--tls-keylog=keys.log',
      '--trace-tls',
      '--require=node:os',
      '--import=node:os',
      '--experimental-loader=data:text/javascript,',
      '--abort-on-uncaught-exception',
      '--insecure-http-parser',
      '--tls-min-v1.0',
    ];

    for (const option of OPTIONS)
      it(`does not serve with ${option}, given or in NODE_OPTIONS`, async () => {
        const [name = ''] = option.split('=');
        for (const refused of [
          await refusedBy([option]),
          await refusedBy([], { NODE_OPTIONS: `--no-deprecation "${option}"` }),
          await refusedBy([], { NODE_OPTIONS: option.replace(/(?<=\w)-/g, '_') }),
        ]) {
          expect(refused).to.include({ status: 1, code: 'RUNTIME_UNSAFE' });
          expect(refused.message.replaceAll('_', '-')).to.contain(name);
          expect(refused.hint).to.contain('without it');
        }
      });

    for (const [name, value] of [
      ['NODE_DEBUG', 'net'],
      ['NODE_DEBUG_NATIVE', 'tls'],
      ['NODE_TLS_REJECT_UNAUTHORIZED', '0'],
    ] as const)
      it(`does not serve with ${name}=${value}`, async () => {
        const refused = await refusedBy([], { [name]: value });
        expect(refused).to.include({ status: 1, code: 'RUNTIME_UNSAFE' });
        expect(refused.message).to.contain(name);
      });

    it('does not serve beside a prompt', async () => {
      expect((await refusedBy(['-i'])).message).to.contain('-i');
    });

    it('does not serve from a file of options', async () => {
      const file = join(checkout, 'env');
      writeFileSync(file, 'NODE_OPTIONS=--inspect\n');
      expect((await refusedBy([`--env-file=${file}`])).code).to.equal('RUNTIME_UNSAFE');
    });

    it('names all that it finds', async () => {
      const { message } = await refusedBy(['--trace-tls'], { NODE_DEBUG: 'http' });
      expect(message).to.contain('--trace-tls').and.to.contain('NODE_DEBUG');
    });

    it('leaves other options alone, and `dev` and short commands all of them', async () => {
      const other = ['--no-warnings', '--max-old-space-size=900', '--use-openssl-ca'];
      await run([process.execPath, ...other, launcher, 'serve'], {
        NODE_OPTIONS: '--trace-warnings --dns-result-order=ipv4first',
        NODE_EXTRA_CA_CERTS: '/nowhere',
        NODE_TLS_REJECT_UNAUTHORIZED: '1',
      });
      await run([process.execPath, launcher, 'dev'], { NODE_OPTIONS: '--inspect=127.0.0.1:0' });
      const quick = start([process.execPath, launcher, 'quick'], { NODE_DEBUG: 'nothing' });
      expect(await once(quick, 'exit')).to.deep.equal([0, null]);
    });

    it('has no debugger that a signal could open, where it has flags and where it has none', async () => {
      for (const words of [['serve'], ['dev'], ['serve', '/dev/fd/9'], ['idle']]) {
        const { child, pid, line } = await run([process.execPath, launcher, ...words]);
        // Node opens it in a thread of its own: by the last look it would be there.
        for (let look = 0; look < 10; look++) {
          process.kill(pid, 'SIGUSR1');
          process.kill(pid, 'SIGWINCH');
          expect(await line(), words.join(' ')).to.deep.equal({ debugger: 'none' });
        }
        expect(child.exitCode).to.equal(null);
      }
    });

    it('closes a debugger that a signal opened before its first line', async () => {
      // In place of the signal, and at the same moment.
      const opened = `data:text/javascript,${encodeURIComponent(
        "import { open } from 'node:inspector'; if (process.execArgv.length === 2) open(0, '127.0.0.1');",
      )}`;
      const { pid, line } = await run([process.execPath, '--import', opened, launcher, 'dev']);
      process.kill(pid, 'SIGWINCH');
      expect(await line()).to.deep.equal({ debugger: 'none' });
    });

    it('is not ended by SIGUSR2, nor by SIGHUP as a service', async () => {
      const { child, pid, line } = await run([process.execPath, launcher, 'serve']);
      for (const signal of ['SIGUSR2', 'SIGHUP', 'SIGWINCH'] as const) process.kill(pid, signal);
      await line();
      expect([child.exitCode, child.signalCode]).to.deep.equal([null, null]);
    });
  });

  describe('whom it ends with', () => {
    for (const words of [['serve'], ['dev', 'busy'], ['idle']])
      it(`is gone when the process is that was started under an old Node: ${words.join(' ')}`, async () => {
        // `serve` takes no option that runs code: a Node of the machine, where there is an old one.
        const real = ['/usr/bin/node', '/usr/local/bin/node'].find(isOld);
        const program = words[0] === 'serve' ? real : process.execPath;
        if (program === undefined) return;
        const options = words[0] === 'serve' ? [] : ['--import', PRETEND];
        const { child, pid } = await run([program, ...options, launcher, ...words]);
        expect(pid).to.not.equal(child.pid);
        child.kill('SIGKILL');
        await gone(pid);
      });

    it('keeps the line to its parent to itself, and the files that its words name', async () => {
      const secret = join(checkout, 'secret');
      writeFileSync(secret, 'passphrase');
      const command = `exec "$0" --import "$1" "$2" idle /dev/fd/3 3<"${secret}"`;
      const { child, pid, line } = await run(['sh', '-c', command, process.execPath, PRETEND, launcher]);
      process.kill(pid, 'SIGWINCH');
      expect(await line()).to.deep.equal({ debugger: 'none' });
      if (existsSync(`/proc/${pid}/fd`))
        expect(readFileSync(`/proc/${pid}/fd/3`, 'utf8')).to.equal('passphrase');
      child.kill('SIGKILL');
      await gone(pid);
    });

    const NPM: readonly (readonly [string, readonly string[], readonly NodeJS.Signals[]])[] = [
      ['npm start', ['npm', 'start', '--silent'], ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGKILL']],
      ['npx', ['npx', '--no', 'mayfly', 'serve'], ['SIGTERM', 'SIGHUP', 'SIGKILL']],
    ];
    for (const [way, words, signals] of NPM)
      for (const signal of signals)
        it(`ends with ${way} that gets ${signal}`, async function () {
          skipUnless(this, existsSync('/proc/self/stat'), 'there is no /proc');
          const { child, pid } = await run(words);
          child.kill(signal);
          await gone(pid);
        });

    it('outlives npm where a script of another name may have meant that', async () => {
      const script = `"${process.execPath}" "${launcher}" serve & sleep 0.1`;
      const { child, pid, line } = await run(['sh', '-c', script], { npm_lifecycle_event: 'pretest' });
      if (child.exitCode === null) await once(child, 'exit');
      process.kill(pid, 'SIGWINCH');
      expect(await line()).to.deep.equal({ debugger: 'none' });
    });
  });
});

/** Whether that is a Node from 20 to 22.15. */
function isOld(program: string): boolean {
  if (!existsSync(program)) return false;
  const version = spawnSync(program, ['--version'], { encoding: 'utf8' }).stdout;
  const [major = 0, minor = 0] = version.slice(1).split('.').map(Number);
  return major >= 20 && (major < 22 || (major === 22 && minor < 16));
}
