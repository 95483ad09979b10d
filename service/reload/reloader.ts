/** Loads a configuration into a running service: whole or not at all. */
import type { LoadedConfig } from '../../config/load/load.ts';
import { loadConfigApart } from '../../config/load/load-apart.ts';
import { changesBetween } from '../../policy/changes.ts';
import type { LivePolicy } from '../../policy/live-policy.ts';
import type { PolicySnapshot } from '../../policy/snapshot.ts';
import type { Clock } from '../../core/clock.ts';
import type { PolicyCompiler } from '../policy-compiler.ts';
import type { ConfigurationState } from '../../server/operator/configuration-state.ts';
import type { ServiceLog } from '../../server/operator/service-log.ts';
import { loadFailure } from './failure-text.ts';
import { changedFiles, type FileContent } from './file-contents.ts';
import { reportFailure, reportLoaded } from './reload-report.ts';
import { restartSettings } from './restart-settings.ts';
import type { PreparedSwitch } from '../workers/http-workers.ts';
import { loadSettled, type Load, type SettledConfig } from './settled-load.ts';

/** What is loaded into. */
export interface ReloaderOptions {
  /** The configuration that the service was started with. */
  readonly started: SettledConfig;
  readonly policy: LivePolicy;
  readonly compiler: PolicyCompiler;
  readonly clock: Clock;
  readonly log: ServiceLog;
  /** How a shell calls this program: for commands that the log advises. */
  readonly program: string;
  /** Threads that decide by it too, if there are any. */
  readonly workers?: { prepare(config: LoadedConfig): Promise<PreparedSwitch> } | undefined;
  /** Default: in a process of its own. */
  readonly load?: Load | undefined;
}

/** Loads into one service, one configuration after another. */
export class Reloader {
  readonly #options: ReloaderOptions;
  /** The configuration in force, and what its files held. */
  #inForce: SettledConfig;
  #state: ConfigurationState;
  /** What was logged of the last failure. */
  #logged: string | undefined;
  readonly #closing = new AbortController();

  constructor(options: ReloaderOptions) {
    this.#options = options;
    this.#inForce = options.started;
    this.#state = { loadedAt: options.clock(), reloads: { success: 0, failure: 0 } };
  }

  get state(): ConfigurationState {
    return this.#state;
  }

  /** Tries once. `seen` is what the files held a moment before; the answer is what they held at the try. A failure is
   * logged once for the same files, unless somebody `asked`; what {@link close} interrupts is none. Never rejects. */
  async load(seen: readonly FileContent[], asked: boolean): Promise<readonly FileContent[]> {
    const file = this.#inForce.contents[0]?.path ?? '';
    const begin = performance.now();
    const { signal } = this.#closing;
    try {
      const settled = await loadSettled(file, this.#options.load ?? loadConfigApart, signal);
      signal.throwIfAborted();
      await this.#putInForce(settled, begin);
      return settled.contents;
    } catch (error) {
      if (!signal.aborted) this.#fail(file, error, seen, asked);
      return seen;
    }
  }

  /** Interrupts a load; nothing is put in force after it that was not loaded before. */
  close(): void {
    this.#closing.abort();
  }

  async #putInForce(settled: SettledConfig, begin: number): Promise<void> {
    const { policy, compiler, clock, log, program } = this.#options;
    const before = this.#inForce;
    const { config } = settled;
    const files = changedFiles(before.contents, settled.contents);
    const changes = await changesBetween(before.config.issuers, config.issuers, files);
    const next = await compiler.compile(config, policy.current);
    const elsewhere = await this.#prepareElsewhere(config, next);
    if (this.#closing.signal.aborted) {
      // Nobody would close it after the one in force.
      elsewhere?.keep();
      await next.close();
      return;
    }
    policy.replace(next);
    await elsewhere?.switch();
    const { reloads } = this.#state;
    const restart = this.#restartSettings(settled);
    this.#inForce = settled;
    this.#logged = undefined;
    this.#state = {
      loadedAt: clock(),
      ...(restart.length === 0 ? {} : { restart }),
      reloads: { ...reloads, success: reloads.success + 1 },
    };
    const ms = performance.now() - begin;
    reportLoaded(log, { before: before.config, after: config, changes, files, restart, ms }, program);
    this.#warmUp(before.config);
  }

  /** Has all threads prepare it. Rejects, with nothing changed, when one of them cannot. */
  async #prepareElsewhere(config: LoadedConfig, next: PolicySnapshot): Promise<PreparedSwitch | undefined> {
    try {
      return await this.#options.workers?.prepare(config);
    } catch (error) {
      await next.close();
      throw error;
    }
  }

  /** What the running service cannot follow, the content of the token's file included. */
  #restartSettings({ config, contents }: SettledConfig): string[] {
    const { started } = this.#options;
    const settings = restartSettings(started.config.mayfly, config.mayfly);
    const { logAccessTokenFile } = config.mayfly;
    const changed = changedFiles(started.contents, contents);
    const name = 'log-access-token-file';
    const isChanged = logAccessTokenFile !== undefined && changed.includes(logAccessTokenFile);
    return isChanged && !settings.includes(name) ? [...settings, name] : settings;
  }

  /** Fetches the keys of issuers that are new; the others are known, and were warned of. */
  #warmUp({ issuers }: LoadedConfig): void {
    const { policy, log } = this.#options;
    const known = new Set(issuers.map(({ definition }) => definition.url));
    void policy.current.fetchKeys().then((warnings) => {
      for (const warning of warnings)
        if (!known.has(warning.issuer)) log.note('warn', 'issuer warning', { ...warning });
    });
  }

  #fail(file: string, error: unknown, seen: readonly FileContent[], asked: boolean): void {
    const failure = loadFailure(file, error);
    const { reloads } = this.#state;
    this.#state = {
      ...this.#state,
      failure: failure.summary,
      reloads: { ...reloads, failure: reloads.failure + 1 },
    };
    const logged = JSON.stringify([failure.problems, seen]);
    if (logged === this.#logged && !asked) return;
    this.#logged = logged;
    reportFailure(this.#options.log, failure);
  }
}
