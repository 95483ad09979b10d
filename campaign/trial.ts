/** One deployment with its clients and its ledger, from an empty log to the last check. */
import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import {
  orderFault,
  steeredEnvironment,
  faultHits,
  type FaultOrder,
  type SteeredProcess,
} from '../test/support/kill-at.ts';
import { plainEnvironment } from '../test/support/mayfly.ts';
import type { TestIssuer } from '../test/support/oidc-issuer.ts';
import { Clients, logUrls, type Tally } from './clients.ts';
import {
  programWords,
  SqliteDeployment,
  type Build,
  type Deployment,
  type Replica,
  type Template,
} from './deployment.ts';
import { LedgerClient } from './ledger-client.ts';
import type { LedgerCounts } from './ledger.ts';
import { ReplicatedDeployment, type ReplicatedOptions, type ReplicatedTemplate } from './replicated.ts';

/** What every trial of a campaign has in common. */
export interface World {
  readonly issuer: TestIssuer;
  readonly template: Template;
  /** Undefined where there is no PostgreSQL. */
  readonly replicated: ReplicatedTemplate | undefined;
  /** The library that makes faults; undefined where it cannot be made. */
  readonly library: string;
  /** A folder for everything. */
  readonly work: string;
}

/** Milliseconds within which a deployment has to take requests again after a fault. */
const COMES_BACK = 45_000;

/** What a trial is made of. */
interface Parts<Kind extends Deployment> {
  readonly folder: string;
  readonly deployment: Kind;
  /** Undefined where no fault can be ordered. */
  readonly steered?: SteeredProcess;
}

/** A trial. */
export class Trial<Kind extends Deployment = Deployment> {
  readonly deployment: Kind;
  readonly ledger: LedgerClient;
  readonly clients: Clients;
  readonly #build: Build;
  readonly #steered: SteeredProcess | undefined;
  readonly #folder: string;

  private constructor(world: World, build: Build, { folder, deployment, steered }: Parts<Kind>) {
    this.#folder = folder;
    this.#build = build;
    this.deployment = deployment;
    this.#steered = steered;
    this.ledger = new LedgerClient(join(folder, 'ledger'), deployment.logs);
    this.clients = new Clients(world.issuer, this.ledger, deployment.artifactKey, steered?.recordFile);
  }

  /** A trial of one process with SQLite that nothing runs in yet. `after`: goes on with logs and ledger of another one, which has ended. */
  static make(
    world: World,
    build: Build,
    {
      after,
      records = false,
    }: { readonly after?: Trial<SqliteDeployment> | undefined; readonly records?: boolean } = {},
  ): Trial<SqliteDeployment> {
    const folder = folderIn(world);
    if (after !== undefined) cpSync(join(after.#folder, 'ledger'), join(folder, 'ledger'));
    const deployment = new SqliteDeployment(build, world.template, folder);
    const steered: SteeredProcess = {
      library: world.library,
      root: deployment.data,
      faultFile: join(folder, 'fault'),
      clockFile: join(folder, 'clock'),
      recordFile: records ? join(folder, 'record') : undefined,
    };
    const trial = new Trial(world, build, { folder, deployment, steered });
    if (after !== undefined) {
      rmSync(deployment.data, { recursive: true });
      cpSync(after.deployment.data, deployment.data, { recursive: true });
    }
    return trial;
  }

  /** A trial of replicas on a database, which runs. */
  static async replicated(
    world: World,
    build: Build,
    options?: ReplicatedOptions,
  ): Promise<Trial<ReplicatedDeployment>> {
    const folder = folderIn(world);
    if (world.replicated === undefined) throw new TypeError('there is no PostgreSQL');
    const deployment = await ReplicatedDeployment.make(build, world.replicated, folder, options);
    return new Trial(world, build, { folder, deployment });
  }

  get counts(): LedgerCounts {
    return this.ledger.counts;
  }

  get recordFile(): string {
    return this.#steered?.recordFile ?? '';
  }

  /** A folder of its own for what a chapter makes. */
  get folder(): string {
    return this.#folder;
  }

  start(): Promise<void> {
    return this.deployment.start(this.#environment);
  }

  get #environment(): NodeJS.ProcessEnv {
    // Starts are many: what was compiled is kept.
    const NODE_COMPILE_CACHE = join(this.#folder, '../compiled');
    const steered = this.#steered === undefined ? {} : steeredEnvironment(this.#steered);
    return { ...steered, ...this.deployment.env, NODE_COMPILE_CACHE };
  }

  get #steering(): SteeredProcess {
    if (this.#steered === undefined) throw new TypeError('no fault can be ordered here');
    return this.#steered;
  }

  /** Orders a fault, or the end of all; see {@link orderFault}. */
  order(fault?: FaultOrder): void {
    orderFault(this.#steering.faultFile, fault);
  }

  /** The changes that were due. */
  hits(): string[] {
    return faultHits(this.#steering.faultFile);
  }

  /** Makes the clock of the services wrong by so many milliseconds. */
  setClock(wrongBy: number): void {
    writeFileSync(this.#steering.clockFile, String(wrongBy));
  }

  burst(count: number, wrongBy?: number): Promise<Tally> {
    return this.clients.burst(this.deployment.replicas, count, wrongBy);
  }

  /** Sends requests for as long as `work` goes on. */
  async underLoad(work: () => Promise<unknown>): Promise<Tally> {
    const over = new AbortController();
    const load = this.clients.until(this.deployment.replicas, over.signal);
    try {
      await work();
    } finally {
      over.abort();
    }
    return load;
  }

  /** Waits until so many more requests were granted, by whichever replica; what is wrong when that takes too long, or one of `replicas` has stopped. */
  async progress(more: number, replicas: readonly Replica[] = this.deployment.replicas): Promise<string[]> {
    const goal = this.counts.acknowledged + more;
    const deadline = performance.now() + COMES_BACK;
    while (this.counts.acknowledged < goal) {
      const stop = this.#stop(replicas);
      if (stop !== undefined) return [stop];
      if (performance.now() > deadline) return [`nothing goes on meanwhile: ${this.lastWord()}`];
      await sleep(20);
    }
    return [];
  }

  /** Waits until every replica grants what it is asked for; what is wrong when that takes too long. */
  async untilServes(
    wrongBy?: number,
    replicas: readonly Replica[] = this.deployment.replicas,
  ): Promise<string[]> {
    const deadline = performance.now() + COMES_BACK;
    for (const replica of replicas)
      for (;;) {
        const { granted } = await this.clients.burst([replica], 2, wrongBy);
        if (granted === 2) break;
        if (!replica.isRunning) return [`the service ended by itself: ${this.lastWord()}`];
        const stop = this.#stop([replica]);
        if (stop !== undefined) return [stop];
        if (performance.now() > deadline)
          return [`the service does not come back by itself: ${this.lastWord()}`];
        await sleep(100);
      }
    return [];
  }

  #stop(replicas: readonly Replica[]): string | undefined {
    const [line] = replicas.flatMap(({ stopped }) => stopped);
    return line === undefined
      ? undefined
      : `a log has stopped until an operator looks: ${line.slice(0, 400)}`;
  }

  /** Holds every replica to the ledger. */
  async verify(replicas: readonly Replica[] = this.deployment.replicas): Promise<string[]> {
    const found = await this.#untilAlike(replicas);
    for (const replica of replicas) found.push(...(await this.ledger.verifyServed(logUrls(replica))));
    return found;
  }

  /** Waits until all serve the same heads: what one was asked to log comes to the others a little later. */
  async #untilAlike(replicas: readonly Replica[]): Promise<string[]> {
    const deadline = performance.now() + COMES_BACK;
    for (;;) {
      const heads = await Promise.all(replicas.map((replica) => this.clients.heads(replica)));
      if (new Set(heads).size <= 1) return [];
      if (performance.now() > deadline)
        return [`the replicas do not come to the same heads: ${this.lastWord()}`];
      await sleep(100);
    }
  }

  /** Starts what is down: what it ended with when it cannot be started. A replica that did not reach its database in time is started again, as whatever keeps services running does. */
  async restart(): Promise<string[]> {
    const deadline = performance.now() + COMES_BACK;
    for (;;) {
      try {
        await this.start();
        return [];
      } catch (error) {
        const { message } = error as Error;
        const mayPass = this.deployment instanceof ReplicatedDeployment && message.includes('"LOG_STORAGE"');
        if (!mayPass || performance.now() > deadline) return [`a start fails: ${message}`];
      }
      await sleep(500);
    }
  }

  /** Starts replicas that are down, and waits until all serve, and alike: what is wrong with that, and with what they serve. */
  async goesOn(): Promise<string[]> {
    for (const step of [() => this.restart(), () => this.untilServes()]) {
      const found = await step();
      if (found.length > 0) return found;
    }
    return this.verify();
  }

  /** The last line of each replica's log that is a warning or an error. */
  lastWord(): string {
    const words = this.deployment.logFiles.map((file) => {
      const lines = existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : [];
      return lines.findLast((line) => /"level":"(?:warn|error)"/.test(line)) ?? '';
    });
    return words.map((word) => word.slice(0, 400)).join(' ');
  }

  /** Runs the program of the trial; what it printed when it fails. */
  async command(words: readonly string[]): Promise<string | undefined> {
    const env = { ...plainEnvironment(), ...this.#environment, LD_PRELOAD: undefined };
    try {
      await promisify(execFile)(process.execPath, programWords(this.#build.program, words), { env });
      return undefined;
    } catch (error) {
      const { stdout = '', stderr = '' } = error as { readonly stdout?: string; readonly stderr?: string };
      return (stderr || stdout).trim().slice(0, 400);
    }
  }

  /** Ends the services in order, and reads every byte of the logs with `mayfly log check` and `mayfly rekor check`; returns what they find. */
  async finish(): Promise<string[]> {
    await this.deployment.stop();
    const found: string[] = [];
    for (const data of this.deployment.directories)
      for (const command of ['log', 'rekor']) {
        const failure = await this.patiently([command, 'check', '--data', data]);
        if (failure !== undefined) found.push(`${command} check fails: ${failure}`);
      }
    return found;
  }

  /** As {@link command}; given again where a busy database did not answer in time, which changes nothing. */
  async patiently(words: readonly string[]): Promise<string | undefined> {
    for (const deadline = performance.now() + COMES_BACK; ;) {
      const failure = await this.command(words);
      const mayPass = /timeout expired|did not answer within/.test(failure ?? '');
      if (!mayPass || performance.now() > deadline) return failure;
    }
  }

  /** Ends everything and removes the folder. */
  async close(): Promise<void> {
    await this.deployment.stop('SIGKILL');
    this.clients.close();
    await this.ledger.close();
    await this.deployment.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

let trials = 0;

/** A new folder for a trial. */
function folderIn({ work }: World): string {
  const folder = join(work, `trial-${++trials}`);
  mkdirSync(folder);
  return folder;
}
