/** Three services, each with a data directory of its own and the same keys, on one real PostgreSQL, which each of them reaches over a network of its own. */
import { execFile } from 'node:child_process';
import type { KeyObject } from 'node:crypto';
import { appendFileSync, cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { plainEnvironment } from '../test/support/mayfly.ts';
import { PostgresServer, type anyInstallation } from '../test/support/postgres-server.ts';
import { TcpProxy } from '../test/support/tcp-proxy.ts';
import { STORE_FILE } from '../tlog/store/store-places.ts';
import type { LogName } from './answers.ts';
import {
  logDirectories,
  programWords,
  Replica,
  type Build,
  type Deployment,
  type Template,
} from './deployment.ts';

/** How many services there are. */
const REPLICAS = 3;

/** What the primary calls its standby. */
const STANDBY = 'standby';

/** A database with the empty logs of a data directory, made once, for copies. */
export interface ReplicatedTemplate extends Template {
  /** Stopped. */
  readonly server: PostgresServer;
  /** As the server says. */
  readonly version: string;
}

/** Moves the logs of a copy of `template` in `work` into a database of that installation. */
export async function makeReplicatedTemplate(
  build: Build,
  work: string,
  template: Template,
  installation: NonNullable<Awaited<ReturnType<typeof anyInstallation>>>,
): Promise<ReplicatedTemplate> {
  const data = join(work, 'replicated-template');
  cpSync(template.data, data, { recursive: true });
  const server = await PostgresServer.startWith(installation);
  // The last part of the configuration is Mayfly's.
  const settings = `  log: { store: '${server.url()}', store-password-file: ${server.passwordFile} }\n`;
  appendFileSync(join(data, 'config.yaml'), settings);
  for (const command of ['migrate', 'move']) await run(build, ['log', command, '--data', data]);
  const { rows } = await server.query('SHOW server_version');
  await server.stop();
  return { ...template, data, server, version: String(rows[0]?.['server_version']) };
}

async function run(
  { program }: Build,
  words: readonly string[],
  more: NodeJS.ProcessEnv = {},
): Promise<void> {
  const env = { ...plainEnvironment(), ...more };
  await promisify(execFile)(process.execPath, programWords(program, words), { env });
}

/** A bucket that tiles lie in. */
export interface Bucket {
  /** Of its server. */
  readonly endpoint: string;
  readonly name: string;
}

/** What is special about a deployment. */
export interface ReplicatedOptions {
  /** Whether there is a standby of the database, and whether commits wait for it. */
  readonly standby?: 'synchronous' | 'asynchronous' | undefined;
  /** Settings of the database. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
  /** Default: tiles are in the database. */
  readonly bucket?: Bucket | undefined;
}

/** What the program of the tests signs requests to a bucket with. */
const BUCKET_ENVIRONMENT = {
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'testtest',
  AWS_REGION: 'us-east-1',
};

/** What a deployment runs on. */
interface Parts {
  readonly primary: PostgresServer;
  readonly standby: PostgresServer | undefined;
  readonly networks: readonly TcpProxy[];
  readonly replication: TcpProxy | undefined;
  readonly bucket: Bucket | undefined;
}

/** Replicas on a database. */
export class ReplicatedDeployment implements Deployment {
  readonly replicas: Replica[] = [];
  readonly directories: readonly string[];
  readonly logFiles: readonly string[];
  readonly logs: Readonly<Record<LogName, string>>;
  readonly artifactKey: KeyObject;
  readonly env: NodeJS.ProcessEnv;
  /** What is the primary at the beginning. */
  readonly primary: PostgresServer;
  readonly standby: PostgresServer | undefined;
  /** What is between each replica and the database. */
  readonly networks: readonly TcpProxy[];
  /** What is between the standby and the primary. */
  readonly replication: TcpProxy | undefined;
  readonly #build: Build;
  #started: NodeJS.ProcessEnv = {};

  private constructor(build: Build, work: string, artifactKey: KeyObject, parts: Parts) {
    this.#build = build;
    this.artifactKey = artifactKey;
    this.primary = parts.primary;
    this.standby = parts.standby;
    this.networks = parts.networks;
    this.replication = parts.replication;
    this.env = parts.bucket === undefined ? {} : BUCKET_ENVIRONMENT;
    this.directories = parts.networks.map((_, i) => join(work, `data-${i}`));
    this.logFiles = parts.networks.map((_, i) => join(work, `service-${i}.log`));
    this.logs = logDirectories(this.directories[0] ?? '');
  }

  /** In the folder `work`, which exists. The database runs, and no replica. */
  static async make(
    build: Build,
    template: ReplicatedTemplate,
    work: string,
    { standby: kind, settings = {}, bucket }: ReplicatedOptions = {},
  ): Promise<ReplicatedDeployment> {
    const { server } = template;
    const primary = await server.copy();
    const names = kind === 'synchronous' ? { synchronous_standby_names: STANDBY } : {};
    await primary.up({ ...settings, ...names });
    const replication = kind === undefined ? undefined : await TcpProxy.to(primary.port);
    const standby = replication && (await server.copy({ port: replication.port, name: STANDBY }));
    await standby?.up(settings);
    const networks = await Promise.all(Array.from({ length: REPLICAS }, () => TcpProxy.to(primary.port)));
    const parts = { primary, standby, networks, replication, bucket };
    const deployment = new ReplicatedDeployment(build, work, template.artifactKey, parts);
    await deployment.#fill(template, bucket);
    return deployment;
  }

  async #fill({ data, server }: ReplicatedTemplate, bucket: Bucket | undefined): Promise<void> {
    const ports = this.networks.map(({ port }) => port);
    const [first = ''] = this.directories;
    cpSync(data, first, { recursive: true });
    renamePort(first, server.port, ports[0]);
    if (bucket !== undefined) {
      const tiles = `, tiles: 's3://${bucket.name}/prod', bucket: { endpoint: '${bucket.endpoint}', addressing: path } }`;
      rewrite(join(first, 'config.yaml'), (text) => text.replace(/ \}\n$/, `${tiles}\n`));
      await run(this.#build, ['log', 'move', '--data', first], this.env);
    }
    for (const [i, directory] of this.directories.entries()) {
      if (i === 0) continue;
      cpSync(first, directory, { recursive: true });
      renamePort(directory, ports[0] ?? 0, ports[i]);
    }
  }

  async start(env: NodeJS.ProcessEnv = {}): Promise<void> {
    this.#started = env;
    const started = await Promise.allSettled(this.directories.map((_, i) => this.startOne(i)));
    for (const one of started) if (one.status === 'rejected') throw one.reason;
  }

  /** Starts one, unless it runs. Rejects as {@link start}. */
  async startOne(i: number): Promise<void> {
    if (this.replicas[i]?.isRunning === true) return;
    const [data = '', logFile = ''] = [this.directories[i], this.logFiles[i]];
    this.replicas[i] = await Replica.start(this.#build, data, logFile, this.#started);
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await Promise.all(this.replicas.map((_, i) => this.stopOne(i, signal)));
  }

  /** Ends one. */
  async stopOne(i: number, signal: NodeJS.Signals): Promise<void> {
    this.replicas[i]?.signal(signal);
    await this.replicas[i]?.ended();
  }

  /** Has every replica reach that server from now on. */
  lead({ port }: PostgresServer): void {
    for (const network of this.networks) network.retarget(port);
  }

  async close(): Promise<void> {
    for (const network of [...this.networks, this.replication]) await network?.close();
    await this.standby?.remove();
    await this.primary.remove();
  }
}

/** Writes the other port of the database wherever a data directory names it. */
function renamePort(data: string, from: number, to = from): void {
  const files = readdirSync(data, { recursive: true, encoding: 'utf8' });
  for (const file of files.filter((name) => ['config.yaml', STORE_FILE].includes(basename(name))))
    rewrite(join(data, file), (text) => text.replaceAll(`127.0.0.1:${from}/`, `127.0.0.1:${to}/`));
}

function rewrite(file: string, change: (text: string) => string): void {
  writeFileSync(file, change(readFileSync(file, 'utf8')));
}
