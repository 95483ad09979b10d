/** The logs of a data directory beside the one in use: served for reading, and ended where a rotation left that to be done. */
import type { CtLogIdentity } from '../ct-log/log-identity.ts';
import type { ReadOnlyCtLog } from '../ct-log/read-only-log.ts';
import type { EndedLog } from '../ct-log/end-log.ts';
import { logNamesIn } from '../instance/data-directory.ts';
import { certificateLogPaths, type CertificateLogPaths, type DataPaths } from '../instance/data-paths.ts';
import type { ListedLog, OtherLogReads } from '../server/log/other-logs.ts';
import type { OtherLogStatus } from '../server/operator/service-sources.ts';
import type { ServiceLog } from '../server/operator/service-log.ts';
import { OtherLog, type OtherLogContext } from './other-log.ts';

/** What is known of the directory, and how one of its logs is ended. */
interface OtherLogsOptions {
  readonly paths: DataPaths;
  readonly current: CtLogIdentity;
  readonly chain: OtherLogContext['chain'];
  readonly note: ServiceLog['note'];
  /** Ends a log that was in use before, with its own keys. */
  readonly end: (log: CertificateLogPaths) => Promise<EndedLog>;
}

/** Milliseconds between two looks at the directory that readers cause. */
const SCAN = 1_000;

/** Milliseconds between two looks at what fails, and at what nobody reads any more. */
const ROUND = 10_000;

/** Milliseconds after which a log that nobody reads is closed. */
const IDLE = 300_000;

/** Logs that are open at once, each with up to some megabytes of memory. */
const MAX_OPEN = 4;

/** Serves them. Nothing that is wrong with them stops the service. */
export class OtherLogs implements OtherLogReads {
  readonly #options: OtherLogsOptions;
  readonly #context: OtherLogContext;
  #current: CtLogIdentity;
  readonly #logs = new Map<string, OtherLog>();
  /** Name → the sentence of the line that says that it fails. */
  readonly #noted = new Map<string, string>();
  #scannedAt = Number.NEGATIVE_INFINITY;
  #scanning: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> | undefined;

  constructor(options: OtherLogsOptions) {
    this.#options = options;
    this.#current = options.current;
    this.#context = { chain: options.chain, currentBirth: () => this.#current.createdAt };
  }

  get currentName(): string {
    return this.#current.name;
  }

  /**
   * The log in use from now on. The one before ends: `closeFormer` closes it, once it has answered for what it was handed; who reads it waits until it has ended, and then
   * reads what it ended with. Resolves when it has, or when that failed and is tried again later. Never rejects.
   */
  async follow(
    current: CtLogIdentity,
    former: { readonly identity: CtLogIdentity; readonly size: number },
    closeFormer: () => Promise<void>,
  ): Promise<void> {
    const next = this.#logs.get(current.name);
    this.#logs.delete(current.name);
    this.#current = current;
    const log = new OtherLog(
      certificateLogPaths(this.#options.paths, former.identity.name),
      this.#context,
      former,
    );
    this.#logs.set(former.identity.name, log);
    await Promise.all([this.#end(log, closeFormer), next?.close()]);
    this.#noteFailures();
  }

  /** Looks at all of them now, ends those that were in use before, and does so again now and then. Never rejects. */
  start(): Promise<void> {
    this.#timer = setInterval(() => void this.look(), ROUND).unref();
    return this.look();
  }

  status(): readonly OtherLogStatus[] {
    return [...this.#logs].map(([name, { state, size, failure, endFailure }]) => ({
      name,
      state: state ?? 'unreadable',
      size,
      failure: failure ?? (endFailure && `its end cannot be noted: ${endFailure}`),
    }));
  }

  known(): readonly CtLogIdentity[] {
    return [...this.#logs.values()].flatMap(({ identity }) => identity ?? []);
  }

  async list(): Promise<readonly ListedLog[]> {
    await this.#scan();
    const logs = [...this.#logs.values()];
    await Promise.all(logs.map((log) => log.look()));
    return logs
      .flatMap(({ identity, state }) =>
        identity === undefined || state === undefined ? [] : [{ identity, state }],
      )
      .sort((a, b) => a.identity.createdAt - b.identity.createdAt);
  }

  async open(name: string): Promise<ReadOnlyCtLog | undefined> {
    if (!this.#logs.has(name)) await this.#scan();
    const log = this.#logs.get(name);
    if (log === undefined) return undefined;
    const opened = await log.open();
    await this.#closeSome();
    return opened;
  }

  /** Closes all of them; waits for one that is being ended. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#round;
    await Promise.all([...this.#logs.values()].map((log) => log.close()));
  }

  /** Looks at all of them now. Never rejects. */
  look(): Promise<void> {
    this.#round ??= this.#lookAtAll().finally(() => {
      this.#round = undefined;
    });
    return this.#round;
  }

  async #lookAtAll(): Promise<void> {
    await this.#scan();
    for (const log of this.#logs.values()) {
      await log.look();
      if (log.state === 'ending') await this.#end(log);
      if (log.failure === undefined && performance.now() - log.usedAt > IDLE) await log.close();
    }
    await this.#closeSome();
    this.#noteFailures();
  }

  async #end(log: OtherLog, closeFirst?: () => Promise<void>): Promise<void> {
    const { note, end } = this.#options;
    await log.end(async () => {
      await closeFirst?.();
      const ended = await end(log.paths);
      note('info', 'former log ended', { log: ended.identity.name, size: ended.head.size });
      return ended;
    });
  }

  /** One line when a log begins to fail, or fails otherwise, and one when it does not any more. */
  #noteFailures(): void {
    const { note } = this.#options;
    for (const { name, failure } of this.status()) {
      if (failure === this.#noted.get(name)) continue;
      if (failure === undefined) {
        this.#noted.delete(name);
        note('warn', 'other log works again', { log: name });
      } else {
        this.#noted.set(name, failure);
        note('warn', 'other log fails', { log: name, sentence: failure });
      }
    }
  }

  /** Those that were read last stay open. */
  async #closeSome(): Promise<void> {
    const open = [...this.#logs.values()].filter(({ isOpen }) => isOpen);
    const least = open.sort((a, b) => b.usedAt - a.usedAt).slice(MAX_OPEN);
    for (const log of least) await log.close();
  }

  /** Finds the logs that are there, at most once a second. Never rejects: what was there stays when the directory cannot be read. */
  #scan(): Promise<void> {
    if (performance.now() - this.#scannedAt < SCAN) return this.#scanning ?? Promise.resolve();
    this.#scanning ??= this.#scanNow().finally(() => {
      this.#scannedAt = performance.now();
      this.#scanning = undefined;
    });
    return this.#scanning;
  }

  async #scanNow(): Promise<void> {
    const { paths } = this.#options;
    const found = await logNamesIn(paths).catch(() => undefined);
    if (found === undefined) return;
    for (const name of found)
      if (name !== this.#current.name && !this.#logs.has(name))
        this.#logs.set(name, new OtherLog(certificateLogPaths(paths, name), this.#context));
    for (const [name, log] of this.#logs) {
      if (found.includes(name)) continue;
      this.#logs.delete(name);
      await log.close();
    }
  }
}
