import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { projectRoot } from '../support/project-root.ts';
import { skipUnless } from '../support/skipped.ts';

/** Says that it is another Node than it is. */
const PRETEND = `data:text/javascript,${encodeURIComponent(
  "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.19.0' } });",
)}`;

/** What stands in for the built program: prints how it was started, and ends with 7 on request. */
const STAND_IN = `
export async function main(words) {
  if (words[0] === 'quick') process.exitCode = 7;
  else setInterval(() => {}, 1000);
  if (words[0] === 'patient') {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
      process.on(signal, () => { console.log(signal); process.exit(7); });
  }
  console.log(JSON.stringify({ words, runtime: process.execPath, version: process.versions.node }));
  if (['serve', 'dev', 'idle'].includes(words[0]))
    console.log(JSON.stringify({ pid: process.pid, flags: process.execArgv, arenas: process.env.MALLOC_ARENA_MAX }));
}`;

/** How to start the launcher under a Node that is too old. */
interface OldNode {
  readonly name: string;
  readonly words: readonly [program: string, ...args: string[]] | undefined;
}

const OLD_NODES: readonly OldNode[] = [
  { name: 'a Node that says it is 20.19', words: [process.execPath, '--import', PRETEND] },
  { name: 'an old Node of this machine', words: realOldNode() },
];

/** A Node before 22.16 on the PATH that knows the syntax of the launcher; undefined when there is none. */
function realOldNode(): [string] | undefined {
  const found = (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'node'))
    .filter((program) => existsSync(program))
    .find((program) => {
      const version = spawnSync(program, ['--version'], { encoding: 'utf8' }).stdout;
      const [major = 0, minor = 0] = version.slice(1).split('.').map(Number);
      return major >= 20 && (major < 22 || (major === 22 && minor < 16));
    });
  return found === undefined ? undefined : [found];
}

/** The option that leaves SIGUSR1 without a meaning. */
const SHUT = '--disable-sigusr1';

describe('bin/mayfly.js', function () {
  this.timeout(60_000);
  let checkout: string;
  let launcher: string;
  const running: ChildProcess[] = [];
  beforeEach(() => {
    // The real path: what process.execPath says knows no symbolic links on the way.
    checkout = realpathSync(mkdtempSync(join(tmpdir(), 'mayfly-bin-')));
    launcher = join(checkout, 'bin/mayfly.js');
    cpSync(join(projectRoot, 'bin'), join(checkout, 'bin'), { recursive: true });
    writeFileSync(join(checkout, 'package.json'), '{"type":"module"}');
  });
  afterEach(() => {
    for (const child of running.splice(0)) child.kill('SIGKILL');
    rmSync(checkout, { recursive: true });
  });

  const build = (): void => {
    mkdirSync(join(checkout, 'dist/cli'), { recursive: true });
    writeFileSync(join(checkout, 'dist/cli/main.js'), STAND_IN);
  };

  /** Puts the Node that runs this test where `npm ci` puts the pinned one. */
  const installRuntime = (): void => {
    const folder = join(checkout, `node_modules/node-${process.platform}-${process.arch}/bin`);
    mkdirSync(folder, { recursive: true });
    symlinkSync(process.execPath, join(folder, 'node'));
  };

  function start(words: readonly [string, ...string[]], ...args: string[]) {
    const [program, ...options] = words;
    const child = spawn(program, [...options, launcher, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    running.push(child);
    const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string);
    return { child, ended, stdout: text(child.stdout), stderr: text(child.stderr) };
  }

  it('says that a checkout is not built, and how to build it', async () => {
    const { ended, stdout, stderr } = start([process.execPath], 'dev');
    expect([await ended, await stdout]).to.deep.equal([1, '']);
    expect(await stderr).to.match(/^mayfly: this checkout is not built yet: run `npm run build`[^\n]*\n$/);
  });

  it('runs the sources of a checkout that is not built and whose compiler was left out', async () => {
    mkdirSync(join(checkout, 'cli'));
    writeFileSync(join(checkout, 'cli/main.ts'), STAND_IN.replace('main(words)', 'main(words: string[])'));
    const { ended, stderr } = start([process.execPath], 'quick');
    expect([await ended, await stderr]).to.deep.equal([7, '']);
  });

  it('runs the built program in its own process when its Node is new enough', async () => {
    build();
    const { ended, stdout, stderr } = start([process.execPath], 'quick', '--json');
    expect([await ended, await stderr]).to.deep.equal([7, '']);
    expect(JSON.parse(await stdout)).to.deep.include({ words: ['quick', '--json'] });
  });

  interface Served {
    readonly child: ChildProcess;
    readonly pid: number;
    readonly flags: readonly string[];
    /** MALLOC_ARENA_MAX, where it is set. */
    readonly arenas?: string;
  }

  /** What a program that serves says of its process. */
  async function served(child: ChildProcess): Promise<Served> {
    if (child.stdout === null) throw new Error('no output');
    for await (const line of createInterface({ input: child.stdout }))
      if (line.startsWith('{"pid"')) return { child, ...(JSON.parse(line) as Omit<Served, 'child'>) };
    throw new Error('the program said nothing');
  }

  const serve = (...words: [string, ...string[]]): Promise<Served> =>
    served(start(words, 'serve', '--data', 'a b').child);

  it('passes a process that serves the flags of the engine that it needs, and stays that process', async () => {
    build();
    const { child, pid, flags } = await serve(process.execPath, '--no-deprecation');
    expect(pid).to.equal(child.pid);
    const own = ['--max-semi-space-size=8', '--heap-growing-percent=200', SHUT];
    expect(flags).to.include.members(['--no-deprecation', ...own]);
    expect(flags.filter((flag) => flag.includes('semi-space'))).to.have.length(1);
  });

  it('has the C library of a process that serves keep one arena, unless its caller chose otherwise', async () => {
    build();
    expect((await serve(process.execPath)).arenas).to.equal('1');
    expect((await serve('env', 'MALLOC_ARENA_MAX=4', process.execPath)).arenas).to.equal('4');
  });

  for (const flag of ['--max-semi-space-size=32', '--max_semi_space_size=32', '--heap-growing-percent=50'])
    it(`leaves the flags to a caller who chose some: ${flag}`, async () => {
      build();
      const { flags } = await serve(process.execPath, flag);
      expect(flags).to.deep.equal([flag, SHUT]);
    });

  it('goes on without the flags where it may not become another process', async () => {
    build();
    const { flags } = await serve(process.execPath, '--permission', '--allow-fs-read=*');
    expect(flags).to.deep.equal(['--permission', '--allow-fs-read=*']);
  });

  it('goes on without the flags where Node does not know its own place, or does not know them', async () => {
    build();
    const nowhere = "Object.defineProperty(process, 'execPath', { value: 'node' });";
    const older = `Object.defineProperty(process, 'execPath', { value: '/bin/false' });`;
    for (const fault of [nowhere, older]) {
      const module = `data:text/javascript,${encodeURIComponent(fault)}`;
      // As `dev`: a process that serves in production takes no such option.
      const { flags } = await served(start([process.execPath, '--import', module], 'dev').child);
      expect(flags).to.deep.equal(['--import', module]);
    }
  });

  it('keeps the files and the channel that it was started with', async () => {
    build();
    const secret = join(checkout, 'secret');
    writeFileSync(secret, 'passphrase');
    const file = openSync(secret, 'r');
    for (const [extra, word] of [
      [file, '/dev/fd/3'],
      ['ipc', 'x'],
    ] as const) {
      const words = [launcher, 'serve', '--passphrase-file', word];
      const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'pipe', extra] });
      running.push(child);
      expect((await served(child)).flags, word).to.deep.equal([]);
    }
    closeSync(file);
  });

  for (const { name, words } of OLD_NODES) {
    describe(`under ${name}`, () => {
      before(function () {
        skipUnless(this, words !== undefined, 'there is no Node from 20 to 22.15 on the PATH');
      });
      const startOld = (...args: string[]) => start(words ?? [''], ...args);

      it('says which Node it needs when there is no other', async () => {
        build();
        const { ended, stdout, stderr } = startOld('quick');
        expect([await ended, await stdout]).to.deep.equal([1, '']);
        expect(await stderr).to.match(
          /^mayfly: this is Node 2\d\.[^;]+; Mayfly needs Node 22\.16 or newer\./,
        );
        expect(await stderr).to.contain('npm ci');
      });

      it('hands over to the Node of the checkout, with its words, and ends as it ends', async () => {
        build();
        installRuntime();
        const { ended, stdout, stderr } = startOld('quick', '--url', 'a b');
        expect([await ended, await stderr]).to.deep.equal([7, '']);
        expect(JSON.parse(await stdout)).to.deep.equal({
          words: ['quick', '--url', 'a b'],
          runtime: realpathSync(process.execPath),
          version: process.versions.node,
        });
      });

      it('finds the runtime that npm put beside the package, and looks nowhere above', async () => {
        const modules = join(checkout, 'node_modules');
        const runtime = join(modules, `node-${process.platform}-${process.arch}/bin`);
        mkdirSync(runtime, { recursive: true });
        symlinkSync(process.execPath, join(runtime, 'node'));
        for (const [folder, expected] of [
          ['mayfly', 7],
          ['deeper/mayfly', 1],
        ] as const) {
          const there = join(modules, folder);
          cpSync(join(projectRoot, 'bin'), join(there, 'bin'), { recursive: true });
          mkdirSync(join(there, 'dist/cli'), { recursive: true });
          writeFileSync(join(there, 'dist/cli/main.js'), STAND_IN);
          writeFileSync(join(there, 'package.json'), '{"type":"module"}');
          launcher = join(there, 'bin/mayfly.js');
          const { ended, stdout } = startOld('quick');
          expect(await ended, folder).to.equal(expected);
          if (expected === 7) expect(await stdout).to.include(realpathSync(process.execPath));
        }
      });

      it('passes signals on, and waits for what is under way', async () => {
        build();
        installRuntime();
        for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
          const { child, ended, stdout } = startOld('patient');
          await once(child.stdout, 'data');
          child.kill(signal);
          expect(await ended, signal).to.equal(7);
          expect(await stdout).to.contain(signal);
        }
      });

      it('ends by the signal that ended the program', async () => {
        build();
        installRuntime();
        const { child, ended } = startOld('heedless');
        await once(child.stdout, 'data');
        child.kill('SIGTERM');
        expect(await ended).to.equal('SIGTERM');
      });
    });
  }
});
