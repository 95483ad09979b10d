/** A deployment under test: real processes of the service that share the logs of one data directory. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { closeSync, cpSync, fstatSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { plainEnvironment } from '../test/support/mayfly.ts';
import type { LogName } from './answers.ts';
import type { ServiceAddress } from './clients.ts';

/** A program under test. */
export interface Build {
  /** What it is called in reports. */
  readonly name: string;
  /** Its `cli/main.js`. */
  readonly program: string;
}

/** Arguments of the runtime that run a program with these words: without the launcher, which starts another process for some of
 * them, so that the process is the service. */
export const programWords = (program: string, words: readonly string[]): string[] => {
  const start = `import(${JSON.stringify(pathToFileURL(program).href)}).then(({ main }) => main(process.argv.slice(1)))`;
  return ['--input-type=module', '-e', start, ...words];
};

/** A deployment: one process with SQLite, or several with a store that they share. */
export interface Deployment {
  /** Those that run, or ran. A replica that is started again takes the place of the former one. */
  readonly replicas: readonly Replica[];
  /** Data directory of each replica. */
  readonly directories: readonly string[];
  /** Where each replica writes its log. */
  readonly logFiles: readonly string[];
  /** Directories of the logs; of one replica, where there are several. */
  readonly logs: Readonly<Record<LogName, string>>;
  /** Private key of what clients log. */
  readonly artifactKey: KeyObject;
  /** What every program that reads or writes the logs has in its environment. */
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** Starts every replica; `env` comes on top of a plain environment. Rejects with what one printed that ended before it was ready. */
  start(env?: NodeJS.ProcessEnv): Promise<void>;
  /** Ends every replica. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** Ends what else there is. */
  close(): Promise<void>;
}

/** Where the logs are in a data directory. */
export const logDirectories = (data: string): Readonly<Record<LogName, string>> => ({
  certificates: join(data, 'logs', String(new Date().getUTCFullYear())),
  artifacts: join(data, 'artifacts/v2'),
});

/** One process of a service. */
export class Replica implements ServiceAddress {
  readonly url: string;
  readonly logUrl: string;
  readonly #child: ChildProcess;
  /** Its log, and where that began with it. */
  readonly #logFile: string;
  readonly #logFrom: number;

  private constructor(
    child: ChildProcess,
    log: { file: string; from: number },
    { url, logUrl }: ServiceAddress,
  ) {
    this.#child = child;
    this.#logFile = log.file;
    this.#logFrom = log.from;
    this.url = url;
    this.logUrl = logUrl;
  }

  /** Starts `serve` on `data`; its log goes to the end of `logFile`. Rejects, when it is gone, with what it said. */
  static async start(
    { program }: Build,
    data: string,
    logFile: string,
    env: NodeJS.ProcessEnv = {},
  ): Promise<Replica> {
    const log = openSync(logFile, 'a');
    const from = fstatSync(log).size;
    const listen = ['--listen', '--metrics-listen', '--grpc-listen'].flatMap((name) => [name, '127.0.0.1:0']);
    const child = spawn(
      process.execPath,
      programWords(program, ['serve', '--data', data, '--json', ...listen]),
      {
        stdio: ['ignore', 'pipe', log],
        env: { ...plainEnvironment(), ...env },
      },
    );
    closeSync(log);
    running.add(child);
    child.once('exit', () => running.delete(child));
    try {
      const line = await firstLine(child);
      const ready = JSON.parse(line) as ServiceAddress & { readonly event: string };
      if (ready.event !== 'ready') throw new Error(`the service does not start: ${line.slice(0, 400)}`);
      return new Replica(child, { file: logFile, from }, ready);
    } catch (error) {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      if (child.exitCode === null && child.signalCode === null) await gone;
      const [last = ''] = readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-1);
      throw new Error(`${(error as Error).message}: ${last.slice(0, 400)}`, { cause: error });
    }
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Lines in which it says of one of its logs that it does not go on before an operator has looked. */
  get stopped(): readonly string[] {
    return this.said('log does not open again');
  }

  /** Lines of its log with that event. */
  said(event: string): readonly string[] {
    const lines = readFileSync(this.#logFile).subarray(this.#logFrom).toString().split('\n');
    return lines.filter((line) => line.includes(`"event":"${event}"`));
  }

  /** Sends a signal; SIGSTOP and SIGCONT pause and wake it. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves when it is gone. */
  async ended(): Promise<void> {
    if (!this.isRunning) return;
    await new Promise((resolve) => this.#child.once('exit', resolve));
  }
}

/** Nothing is left behind when a campaign is interrupted. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

async function firstLine(child: ChildProcess): Promise<string> {
  const { stdout } = child;
  if (stdout === null) throw new TypeError('the child has no stdout');
  return new Promise<string>((resolve, reject) => {
    const ended = (code: number | null, signal: string | null): void => {
      reject(new Error(`the service ended with ${code ?? signal ?? ''} before it was ready`));
    };
    child.once('error', reject).once('exit', ended);
    createInterface({ input: stdout }).once('line', (line) => {
      child.off('exit', ended);
      resolve(line);
    });
  });
}

/** A data directory that was made once, for copies. */
export interface Template {
  readonly data: string;
  readonly artifactKey: KeyObject;
}

/** Milliseconds by which what is made is older than the campaign: clocks will go back. */
const AGE = 2 * 24 * 3_600_000;

/** Makes a data directory in `work` whose one issuer is at that URL; `library` makes clocks wrong. */
export function makeTemplate({ program }: Build, work: string, issuer: string, library: string): Template {
  const data = join(work, 'template');
  const words = ['init', '--data', data, '--keep-root-key', '--json'];
  const clockFile = join(work, 'earlier');
  writeFileSync(clockFile, String(-AGE));
  execFileSync(process.execPath, programWords(program, words), {
    env: { ...plainEnvironment(), LD_PRELOAD: library, CLOCK_FILE: clockFile },
  });
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  writeFileSync(join(data, 'campaign.pem'), publicKey.export({ type: 'spki', format: 'pem' }));
  writeFileSync(
    join(data, 'config.yaml'),
    `oidc-issuers:
  ${issuer}:
    issuer-url: ${issuer}
    client-id: sigstore
    type: email
mayfly:
  require-rules: false
  artifact-log: { v1: false, keys: [campaign.pem] }
`,
  );
  return { data, artifactKey: privateKey };
}

/** One process, whose logs are SQLite and files in its data directory. */
export class SqliteDeployment implements Deployment {
  readonly data: string;
  readonly logs: Readonly<Record<LogName, string>>;
  readonly artifactKey: KeyObject;
  readonly #build: Build;
  readonly #logFile: string;
  #replica: Replica | undefined;

  /** In the folder `work`, which exists. */
  constructor(build: Build, template: Template, work: string) {
    this.#build = build;
    this.artifactKey = template.artifactKey;
    this.data = join(work, 'data');
    this.#logFile = join(work, 'service.log');
    this.logs = logDirectories(this.data);
    rmSync(this.data, { recursive: true, force: true });
    cpSync(template.data, this.data, { recursive: true });
  }

  get replicas(): readonly Replica[] {
    return this.#replica === undefined ? [] : [this.#replica];
  }

  get directories(): readonly string[] {
    return [this.data];
  }

  get logFiles(): readonly string[] {
    return [this.#logFile];
  }

  async start(env?: NodeJS.ProcessEnv): Promise<void> {
    this.#replica = await Replica.start(this.#build, this.data, this.#logFile, env);
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.#replica?.signal(signal);
    await this.#replica?.ended();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
