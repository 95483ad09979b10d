/** `mayfly log watch`: follows the logs of a service, and reports what is looked for as it is logged. */
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../core/errors.ts';
import { contentOf, certificateOf } from '../../search/entry-facts.ts';
import { entryKeys, meets, type SearchCondition } from '../../search/search-keys.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { parseInteger } from '../program/options.ts';
import { factsLine } from './facts-line.ts';
import type { TargetOptions } from './log-target.ts';
import { isLogVerdict } from './log-verdict.ts';
import { isWantedLog, openLogs } from './open-logs.ts';
import { conditionsOf, type ConditionOptions } from './search-options.ts';
import {
  apiOf,
  lastingName,
  missingLog,
  readOn,
  shownAgain,
  signsAnother,
  treeAtHead,
  type FollowedEntry,
  type FollowedLog,
  type ReadTree,
} from './watch/followed-log.ts';
import { openKeptHeads, type KeepHead } from './watch/kept-heads.ts';
import { LoggedCertificates } from './watch/logged-certificates.ts';
import { WatchState } from './watch/watch-state.ts';
import { openWebhook, type SendEvents, type WatchEvent } from './watch/webhook.ts';

/** Options of the command. */
export interface WatchOptions extends TargetOptions, ConditionOptions {
  readonly in?: readonly string[];
  readonly any?: true;
  readonly unlogged?: true;
  readonly state?: string;
  readonly heads?: string;
  readonly fromStart?: true;
  readonly once?: true;
  readonly interval?: string;
  readonly webhook?: string;
  readonly webhookTokenFile?: string;
}

const DEFAULT_INTERVAL = '60';

/** Returns false when a log contradicts itself or what it said before; rejects when it cannot be judged and is not to be asked again. */
export async function watch(options: WatchOptions, speak: Speaker): Promise<boolean | undefined> {
  requireCombination(options);
  const interval = parseInteger(options.interval ?? DEFAULT_INTERVAL, '--interval', 1, 86_400);
  const heads = await openKeptHeads(options.heads);
  const watcher = new Watcher(options, speak, {
    conditions: await conditionsOf(options),
    heads,
    state: await WatchState.open(options.state),
    send: await openWebhook(options.webhook, options.webhookTokenFile),
  });
  for (;;) {
    try {
      const contradictions = await watcher.round();
      if (contradictions.length > 0) return await watcher.contradicted(contradictions);
      if (options.once === true) return undefined;
    } catch (error) {
      if (error instanceof Error && isLogVerdict(error)) return watcher.contradicted([error]);
      const isWrongUse = error instanceof CommandError && error.code === 'USAGE';
      if (options.once === true || isWrongUse) throw error;
      speak.note(`warning: ${messageOf(error)}; trying again in ${interval} s`);
    }
    if (watcher.isUnread) return undefined;
    await delay(interval * 1000);
  }
}

function requireCombination({ data, url, trust, once, state, heads }: WatchOptions): void {
  if ((data === undefined) === (url === undefined))
    throw new CommandError('USAGE', 'give either --data or --url', {
      hint: '--data is the directory of `mayfly serve` or `dev`, --url the public URL of a service.',
    });
  if (url !== undefined && trust === undefined)
    throw new CommandError('USAGE', '--url needs --trust: what a log says of its own key proves nothing', {
      hint: 'Name the directory of `mayfly trust export`.',
    });
  if (heads !== undefined && url === undefined)
    throw new CommandError('USAGE', '--heads is for --url: what a directory holds is kept by copying it');
  if (once === true && state === undefined)
    throw new CommandError(
      'USAGE',
      '--once needs --state: else the next run would not know where this one ended',
    );
}

interface Watch {
  readonly conditions: readonly SearchCondition[];
  readonly state: WatchState;
  readonly heads: KeepHead;
  readonly send: SendEvents;
}

class Watcher {
  /** Whether nobody reads standard output any more. */
  isUnread = false;
  readonly #options: WatchOptions;
  readonly #speak: Speaker;
  readonly #watch: Watch;
  /** As of this round. */
  #certificates: LoggedCertificates;

  constructor(options: WatchOptions, speak: Speaker, parts: Watch) {
    this.#options = options;
    this.#speak = speak;
    this.#watch = parts;
    this.#certificates = new LoggedCertificates(options, speak);
  }

  /** Reads every log on to its newest head, those behind one that contradicts itself or cannot be read, too; returns what contradicts, and else rejects with why one could not be read. What is reported and delivered is noted after that, so that a crash or a
   * receiver that is away repeats events and loses none. */
  async round(): Promise<readonly Error[]> {
    this.#certificates = new LoggedCertificates(this.#options, this.#speak);
    const { state } = this.#watch;
    const failures: unknown[] = [];
    const logs = await this.#open((error) => failures.push(error));
    try {
      const begun: (readonly [FollowedLog, ReadTree])[] = [];
      for (const log of logs)
        await this.#beginningOf(log).then(
          (tree) => begun.push([log, tree]),
          (error: unknown) => failures.push(error),
        );
      // At once: of logs that are seen together the first time none is one that follows another, also after a crash.
      await state.note(begun.filter(([log]) => state.treeOf(log) === undefined));
      for (const [log, tree] of begun)
        await this.#follow(log, tree).catch((error: unknown) => failures.push(error));
    } finally {
      for (const log of logs) await log.close();
    }
    failures.push(...this.#missing(logs));
    const contradictions = failures.filter((error) => error instanceof Error).filter(isLogVerdict);
    if (contradictions.length > 0 || failures.length === 0) return contradictions;
    throw failures[0];
  }

  /** Former logs are there for good, or somebody hides what they took last. */
  #missing(logs: readonly FollowedLog[]): readonly Error[] {
    const { log: named, name = named, in: wanted = [] } = this.#options;
    const there = new Set(logs.filter(({ isFormer }) => isFormer !== true).map((log) => apiOf(log.name)));
    // What --log names is one certificate log alone.
    if (name !== undefined) there.delete('certificates');
    return [...there]
      .flatMap((api) => this.#watch.state.missing(api, logs))
      .filter((tree) => isWantedLog(tree.log, wanted))
      .map(({ log, origin }) => missingLog(origin, log));
  }

  /** Reports the contradictions; the resume points of their logs stay where they are. */
  async contradicted(errors: readonly Error[]): Promise<false> {
    await this.#report(
      errors.map((error) => ({
        event: 'contradiction',
        id: `contradiction ${messageOf(error)}`,
        problem: messageOf(error),
      })),
    );
    return false;
  }

  #open(failed: (error: unknown) => void): Promise<readonly FollowedLog[]> {
    const { in: wanted = [] } = this.#options;
    const isWanted = (name: string): boolean => isWantedLog(name, wanted);
    return openLogs(this.#options, { isWanted, named: wanted, failed }, this.#speak);
  }

  /** Judges its head, and says up to where it was read; of one that is seen the first time, from where on it is going to be. */
  async #beginningOf(log: FollowedLog): Promise<ReadTree> {
    const { state, heads } = this.#watch;
    // Before it is judged: a head that contradicts what was kept before is the evidence.
    await heads(log);
    const { fromStart, log: named } = this.#options;
    // In a directory each log is read, whatever its place. What --log names need not be the one in use.
    const isInUse = log.checkpoint !== undefined && log.isFormer !== true;
    if (isInUse && named === undefined && state.knowsAfter(log)) throw shownAgain(log);
    const other = state.otherOrigin(log);
    if (other !== undefined) throw signsAnother(log, other);
    const known = state.treeOf(log);
    if (known !== undefined) return known;
    const isWhole = fromStart === true || state.knowsBefore(log);
    const tree = isWhole ? { size: 0, frontier: [] } : await treeAtHead(log);
    this.#speak.note(`${log.origin} (${log.name}): begins at entry ${tree.size} of ${log.size}`);
    return tree;
  }

  async #follow(log: FollowedLog, tree: ReadTree): Promise<void> {
    const { state } = this.#watch;
    for await (const { entries, tree: read } of readOn(log, tree)) {
      await this.#report(await this.#eventsOf(log, entries));
      await state.note([[log, read]]);
    }
  }

  async #eventsOf(log: FollowedLog, entries: readonly FollowedEntry[]): Promise<readonly WatchEvent[]> {
    const events: WatchEvent[] = [];
    for (const { index, isRedacted, view } of entries) {
      const place = { log: log.name, origin: log.origin };
      const id = (event: string): string => `${event} ${lastingName(log)} ${index}`;
      if (isRedacted) events.push({ event: 'redacted', id: id('redacted'), ...place, ...view.facts() });
      else if (this.#isMet(log, view))
        events.push({ event: 'entry', id: id('entry'), ...place, ...view.facts() });
      if (log.kind === 'artifacts' && this.#options.unlogged === true && !isRedacted)
        for (const problem of await this.#unlogged(view.entry.body))
          events.push({ event: 'unlogged', id: id('unlogged'), ...place, ...view.facts(), problem });
    }
    return events;
  }

  /** With --unlogged alone, nothing else is looked for. */
  #isMet({ kind }: FollowedLog, { entry }: FollowedEntry['view']): boolean {
    const { conditions } = this.#watch;
    if (conditions.length === 0) return this.#options.unlogged !== true;
    return meets(entryKeys(kind, entry), conditions, this.#options.any === true ? 'any' : 'all');
  }

  /** Why certificates of an entry are in no certificate log, a sentence each. */
  async #unlogged(body: Uint8Array): Promise<readonly string[]> {
    const problems: string[] = [];
    for (const verifier of contentOf(body)?.verifiers ?? []) {
      const certificate = certificateOf(verifier);
      if (certificate === undefined) continue;
      const problem = await this.#certificates.problemOf(certificate.der);
      if (problem !== undefined) problems.push(problem);
    }
    return problems;
  }

  async #report(events: readonly WatchEvent[]): Promise<void> {
    if (events.length === 0) return;
    await this.#watch.send(events);
    for (const event of events)
      if (!(await this.#speak.record(event, [event.event, factsLine(event)].join('  '))))
        this.isUnread = true;
  }
}
