/**
 * PKCS#11 tokens of SoftHSM, tools for them (OpenSC) and their remoting (p11-kit): those of the system, or else of Debian's packages, unpacked below `node_modules`
 * without any rights. And the npm package that calls them, which is no dependency.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { projectRoot } from './project-root.ts';
import { skipUnless } from './skipped.ts';

const run = promisify(execFile);

/** PINs of every token that a test makes. */
export const PIN = '4711-geheim';
const SO_PIN = '815-geheim';

/** Milliseconds for which another process may install. */
const INSTALL_MS = 180_000;

const PACKAGES = [
  'softhsm2',
  'libsofthsm2',
  'softhsm2-common',
  'p11-kit',
  'p11-kit-modules',
  'libp11-kit0',
  'opensc',
  'opensc-pkcs11',
  'libtasn1-6',
  'libffi8',
];

/** Where the parts are. */
interface Parts {
  /** SoftHSM's module. */
  readonly module: string;
  /** The module that reaches a token of `p11-kit server`. */
  readonly remoteModule: string;
  /** A program of the packages. */
  program(name: string): string;
  /** What programs and modules find their libraries by. */
  readonly env: NodeJS.ProcessEnv;
}

/** Runs `install` once for all processes; `isThere` says whether it has been. */
async function once(folder: string, isThere: () => boolean, install: () => Promise<void>): Promise<void> {
  const lock = `${folder}.installing`;
  mkdirSync(join(folder, '..'), { recursive: true });
  for (const until = Date.now() + INSTALL_MS; !isThere() && Date.now() < until;) {
    try {
      mkdirSync(lock);
    } catch {
      await delay(300);
      continue;
    }
    try {
      if (!isThere()) await install();
    } finally {
      rmdirSync(lock);
    }
  }
}

/** The folder with the npm package, as `scripts/pkcs11` names it. Its install script is not run. */
async function koffiFolder(): Promise<string> {
  const folder = join(projectRoot, 'node_modules/.cache/pkcs11');
  await once(
    folder,
    () => existsSync(join(folder, 'node_modules/.package-lock.json')),
    async () => {
      cpSync(join(projectRoot, 'scripts/pkcs11'), folder, { recursive: true });
      await run('npm', ['ci', '--silent', '--ignore-scripts'], { cwd: folder, timeout: INSTALL_MS });
    },
  );
  return join(folder, 'node_modules');
}

function partsBelow(root: string, libraries: string | undefined): Parts | undefined {
  const triplet = existsSync(join(root, 'usr/lib'))
    ? (readdirSync(join(root, 'usr/lib')).find((name) => name.endsWith('-linux-gnu')) ?? '')
    : '';
  const module = [`usr/lib/softhsm/libsofthsm2.so`, `usr/lib/${triplet}/softhsm/libsofthsm2.so`]
    .map((file) => join(root, file))
    .find((file) => existsSync(file));
  const remoteModule = join(root, `usr/lib/${triplet}/pkcs11/p11-kit-client.so`);
  const program = (name: string): string => join(root, 'usr/bin', name);
  const isWhole = ['softhsm2-util', 'pkcs11-tool', 'p11-kit'].every((name) => existsSync(program(name)));
  if (module === undefined || !existsSync(remoteModule) || !isWhole) return undefined;
  const found =
    libraries === undefined
      ? {}
      : {
          LD_LIBRARY_PATH: join(root, 'usr/lib', triplet),
          P11_KIT_PRIVATEDIR: join(root, 'usr/libexec/p11-kit'),
        };
  return { module, remoteModule, program, env: found };
}

async function findParts(): Promise<Parts | undefined> {
  const ofSystem = partsBelow('/', undefined);
  if (ofSystem !== undefined) return ofSystem;
  const folder = join(projectRoot, 'node_modules/.cache/pkcs11-debian');
  const whole = join(folder, 'whole');
  try {
    await once(
      folder,
      () => existsSync(whole),
      async () => {
        rmSync(folder, { recursive: true, force: true });
        mkdirSync(folder, { recursive: true });
        await run('apt-get', ['download', ...PACKAGES], { cwd: folder, timeout: INSTALL_MS });
        for (const file of readdirSync(folder).filter((name) => name.endsWith('.deb')))
          await run('dpkg', ['-x', file, 'root'], { cwd: folder });
        writeFileSync(whole, '');
      },
    );
  } catch {
    return undefined;
  }
  return partsBelow(join(folder, 'root'), 'own');
}

/** Tokens of one test, in a directory of their own. */
export class SoftHsm {
  readonly #parts: Parts;
  readonly directory: string;
  /** What modules, and the npm package, are found by. */
  readonly env: NodeJS.ProcessEnv;
  readonly #servers: ChildProcess[] = [];

  private constructor(parts: Parts, koffi: string) {
    this.#parts = parts;
    this.directory = mkdtempSync(join(tmpdir(), 'mayfly-hsm-'));
    mkdirSync(join(this.directory, 'tokens'));
    writeFileSync(
      this.#file('softhsm.conf'),
      `directories.tokendir = ${this.#file('tokens')}\nobjectstore.backend = file\n`,
    );
    writeFileSync(this.#file('pin'), `${PIN}\n`, { mode: 0o600 });
    this.env = {
      ...process.env,
      ...parts.env,
      SOFTHSM2_CONF: this.#file('softhsm.conf'),
      NODE_PATH: koffi,
    };
  }

  /** Skips `test`, saying so, where there is none to be had. */
  static async open(test: Mocha.Context): Promise<SoftHsm> {
    skipUnless(test, process.platform === 'linux', 'SoftHSM is run on Linux alone');
    const parts = await findParts();
    skipUnless(
      test,
      parts !== undefined,
      'neither this system nor its Debian packages have softhsm2, p11-kit and opensc',
    );
    const koffi = await koffiFolder().catch(() => undefined);
    skipUnless(test, koffi !== undefined, 'npm could not install koffi');
    return new SoftHsm(parts, koffi);
  }

  get module(): string {
    return this.#parts.module;
  }

  get remoteModule(): string {
    return this.#parts.remoteModule;
  }

  /** The file with the PIN of every token. */
  get pinFile(): string {
    return this.#file('pin');
  }

  /** Makes a token. */
  async makeToken(label: string): Promise<void> {
    await this.#run(
      'softhsm2-util',
      '--init-token',
      '--free',
      '--label',
      label,
      '--pin',
      PIN,
      '--so-pin',
      SO_PIN,
    );
  }

  /** Makes a key pair: `type` as pkcs11-tool names it, such as `EC:secp256r1`. */
  async makeKey(
    token: string,
    type: string,
    label: string,
    id: string,
    ...more: readonly string[]
  ): Promise<void> {
    await this.tool(token, '--keypairgen', '--key-type', type, '--label', label, '--id', id, ...more);
  }

  /** Runs pkcs11-tool, logged in. */
  async tool(token: string, ...words: readonly string[]): Promise<string> {
    return this.#run(
      'pkcs11-tool',
      '--module',
      this.module,
      '--login',
      '--pin',
      PIN,
      '--token-label',
      token,
      ...words,
    );
  }

  /** The URI of a key in a token, by SoftHSM's module or another. */
  uri(token: string, object: string, module = this.module): string {
    return `pkcs11:token=${token};object=${object}?module-path=${module}&pin-source=${this.pinFile}`;
  }

  /** Serves a token at a socket; modules reach it by P11_KIT_SERVER_ADDRESS, which is set in {@link env}. Returns the process. */
  async serve(token: string): Promise<ChildProcess> {
    const socket = this.#file('socket');
    rmSync(socket, { force: true });
    const words = [
      'server',
      '--foreground',
      '--name',
      socket,
      '--provider',
      this.module,
      `pkcs11:token=${token}`,
    ];
    const server = spawn(this.#parts.program('p11-kit'), words, {
      stdio: 'ignore',
      detached: true,
      env: this.env,
    });
    this.#servers.push(server);
    this.env['P11_KIT_SERVER_ADDRESS'] = `unix:path=${socket}`;
    while (!existsSync(socket)) {
      if (server.exitCode !== null) throw new Error('p11-kit server ended');
      await delay(20);
    }
    return server;
  }

  /** Sends a signal to a server and to those of its processes that serve connections. */
  signal(server: ChildProcess, signal: NodeJS.Signals): void {
    if (server.pid !== undefined) process.kill(-server.pid, signal);
  }

  /** Ends servers and removes the tokens. */
  close(): void {
    for (const server of this.#servers)
      try {
        this.signal(server, 'SIGKILL');
      } catch {
        // It has ended.
      }
    rmSync(this.directory, { recursive: true, force: true });
  }

  #file(name: string): string {
    return join(this.directory, name);
  }

  async #run(program: string, ...words: readonly string[]): Promise<string> {
    const more = program === 'softhsm2-util' ? ['--module', this.module] : [];
    const { stdout } = await run(this.#parts.program(program), [...more, ...words], { env: this.env });
    return stdout;
  }
}

/** The processes that call modules for the process `parent`. */
export const tokenProcesses = (parent = process.pid): readonly number[] =>
  processes().filter(
    (pid) => readProc(pid, 'cmdline').includes('token-process') && parentOf(pid) === String(parent),
  );

/** Whether the arguments or the environment of any process of this machine have the text. */
export const isInProcesses = (text: string): boolean =>
  processes().some((pid) => ['cmdline', 'environ'].some((file) => readProc(pid, file).includes(text)));

const processes = (): readonly number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);

const parentOf = (pid: number): string | undefined => /^PPid:\s*(\d+)$/m.exec(readProc(pid, 'status'))?.[1];

/** Empty where the process is gone, or is not ours to look at. */
function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return '';
  }
}
