/** Certificate logs that follow each other while the service runs: makes the next one in time, and puts it in use. */
import { equalBytes } from '../core/bytes.ts';
import { FormatError, messageOf, MayflyError } from '../core/errors.ts';
import type { CtLog } from '../ct-log/ct-log.ts';
import { LogError } from '../tlog/core/log-error.ts';
import { openDirectorySource } from '../ct-log/directory-source.ts';
import { changing } from '../instance/change-lock.ts';
import { openDataDirectory } from '../instance/data-directory.ts';
import type { CertificateLogPaths, DataPaths } from '../instance/data-paths.ts';
import { readLogHistory, type KnownLog, type LogHistory } from '../instance/known-logs.ts';
import { noteLogTime, readLogTimes } from '../instance/log-times.ts';
import { RotationError } from '../instance/rotation-error.ts';
import {
  shardNames,
  shardPlan,
  type ShardPlan,
  type ShardRules,
  type ShardState,
} from '../instance/shard-plan.ts';
import { stageLog } from '../instance/stage-log.ts';
import { requireTrustedLog, stagedLog } from '../instance/staged-log.ts';
import { putInUse } from '../instance/switch-log.ts';
import type { ServiceLog } from '../server/operator/service-log.ts';
import type { ShardsStatus } from '../server/operator/service-sources.ts';
import { readTrust, recordTrust } from '../trust/ledger.ts';
import { isOwnPath, OWN_PATHS } from '../trust/public-urls.ts';
import { readRepository } from '../trust/tuf/repository.ts';
import { publishedRoot } from '../trust/tuf/sigstore-targets.ts';
import { TufError } from '../trust/tuf/tuf-error.ts';

/** What they are kept with. */
interface ShardsOptions {
  readonly paths: DataPaths;
  /** The CA chain, DER, issuing CA first, root last. */
  readonly chain: readonly Uint8Array[];
  /** Opens the keys of the log in use, and encrypts those of the next one if these are. */
  readonly passphrase: string | undefined;
  readonly rules: ShardRules;
  /** The log in use, whose clock counts: while it is not trusted, no log is made, put in use or ended. */
  readonly log: Pick<CtLog, 'identity' | 'status' | 'now'>;
  /** Opens one for writing. */
  readonly open: (log: CertificateLogPaths) => Promise<CtLog>;
  /** Has everything of the service take that log for the one in use, from this very turn on. Resolves when the one before has ended, or will be tried to be ended again. */
  readonly take: (log: CtLog, paths: CertificateLogPaths) => Promise<void>;
  readonly note: ServiceLog['note'];
}

/** Milliseconds between two looks at the clock and the number of entries, between two at the directory, and after a failure. */
const TICK = 1_000;
const ROUND = 60_000;
const RETRY = 10_000;

/** Keeps them. Nothing that is wrong keeps the log in use from taking entries. */
export class Shards {
  readonly #options: ShardsOptions;
  /** As they were when the directory was read last; without the number of entries. */
  #known: (Omit<ShardState, 'size'> & { readonly next: string | undefined }) | undefined;
  /** Names of logs that have ended, with an end for verifiers, and when. */
  readonly #ended = new Map<string, number>();
  /** What was found wrong at the last look and stops nothing else, sentences. */
  #troubles: readonly string[] = [];
  /** The staged log that is whole: a kill, or a failure, may have left one that is not. */
  #whole: string | undefined;
  #failure: string | undefined;
  #said: string | undefined;
  /** On the monotonic clock. */
  #lookAt = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: ShardsOptions) {
    this.#options = options;
  }

  /** Looks now, and then whenever something is due. */
  start(): void {
    if (this.#isClosed) return;
    this.#timer = setInterval(() => {
      this.#tick();
    }, TICK).unref();
    this.#tick();
  }

  status(): ShardsStatus {
    const plan = this.#plan();
    const { stagedBy } = this.#options.rules;
    const isAsked = plan?.needsNext === true && this.#known?.next === undefined && stagedBy === 'operator';
    return {
      endsAt: plan?.endsAt,
      next: this.#known?.next,
      trouble:
        this.#failure ?? plan?.late ?? (isAsked ? ASKED : undefined) ?? this.#waits() ?? this.#troubles[0],
    };
  }

  /** Looks at the directory now, and does what is due. Never rejects. */
  look(): Promise<void> {
    this.#looking ??= this.#lookNow().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  /** Waits for what is under way, and begins nothing any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    await this.#looking;
  }

  #isOpen(): boolean {
    return !this.#isClosed;
  }

  #tick(): void {
    const now = performance.now();
    const plan = this.#plan();
    const isDue = plan?.isDue === true || (plan?.needsNext === true && this.#known?.next === undefined);
    if (now >= this.#lookAt || (isDue && this.#failure === undefined && this.#isMine())) void this.look();
    this.#say();
  }

  /** Where an operator makes the next log, it is looked for each minute. */
  #isMine(): boolean {
    return this.#options.rules.stagedBy === 'service' || this.#known?.next !== undefined;
  }

  /** Undefined while nothing is known yet, or the clock is not trusted. */
  #plan(): ShardPlan | undefined {
    const { rules, log } = this.#options;
    const now = this.#now();
    if (this.#known === undefined || typeof now === 'string') return undefined;
    return shardPlan(rules, { ...this.#known, size: log.status().size }, now);
  }

  /** The time, as the log in use has it; why it is not trusted otherwise. */
  #now(): number | string {
    try {
      return this.#options.log.now();
    } catch (error) {
      if (error instanceof LogError) return error.message;
      throw error;
    }
  }

  #waits(): string | undefined {
    const now = this.#now();
    return typeof now === 'string' ? `no log is made or put in use: ${now}` : undefined;
  }

  /** One line when something is wrong, and one when nothing is any more. */
  #say(): void {
    const { trouble } = this.status();
    // What is counted down in it is no news.
    if (withoutNumbers(trouble) === withoutNumbers(this.#said)) return;
    this.#said = trouble;
    if (trouble === undefined) this.#options.note('info', 'logs follow each other as they should', {});
    else this.#options.note('warn', 'logs do not follow each other as they should', { sentence: trouble });
  }

  async #lookNow(): Promise<void> {
    try {
      await this.#follow();
      this.#failure = undefined;
      this.#lookAt = performance.now() + ROUND;
    } catch (error) {
      this.#failure = sentenceOf(error);
      this.#whole = undefined;
      this.#lookAt = performance.now() + RETRY;
    }
    this.#say();
  }

  async #follow(): Promise<void> {
    const { rules, log } = this.#options;
    const history = await this.#history();
    // An operator put it in use, or a step before had no certain end.
    if (history.current.identity.name !== log.identity.name) await this.#takeCurrent();
    await this.#note();
    if (rules.stagedBy === 'service' && this.#isStaging() && this.#isOpen()) {
      await this.#stage();
      await this.#note();
    }
    if (this.#plan()?.isDue === true && this.#isOpen()) {
      await this.#putNextInUse();
      await this.#note();
    }
  }

  /** Whether the next log is to be made, or to be found whole once by this process. */
  #isStaging(): boolean {
    const plan = this.#plan();
    const next = this.#known?.next;
    return plan !== undefined && (next === undefined ? plan.needsNext : next !== this.#whole);
  }

  async #history(): Promise<LogHistory> {
    return readLogHistory(await openDataDirectory(this.#options.paths.root, { write: true }));
  }

  async #note(): Promise<void> {
    const history = await this.#history();
    const { current } = history;
    const next = stagedLog(history);
    const troubles: string[] = [];
    for (const log of history.former)
      await this.#recordEnd(log).catch((error: unknown) => {
        troubles.push(
          `the end of ${log.identity.name} cannot be recorded for verifiers: ${sentenceOf(error)}`,
        );
      });
    const published = next && (await this.#publishedAt(next));
    if (typeof published === 'string') troubles.push(published);
    this.#troubles = troubles;
    this.#known = {
      createdAt: current.identity.createdAt,
      inUseSince: await this.#inUseSince(history),
      stagedAt: next?.identity.createdAt,
      publishedAt: typeof published === 'string' ? undefined : published,
      next: next?.identity.name,
    };
  }

  /** As it was noted when it was put in use. A directory that was written by an older version, or by hand, has no such note: then when the last log before it ended, as far as that is known. */
  async #inUseSince({ current }: LogHistory): Promise<number | undefined> {
    const { paths } = this.#options;
    const { name } = current.identity;
    const noted = (await readLogTimes(paths)).inUse.get(name);
    if (noted !== undefined) return noted;
    // Those of logs that were moved away are recorded; one that was given up has a time that never began.
    const { root } = await readTrust(paths);
    const now = this.#now();
    const latest = typeof now === 'string' ? -Infinity : now;
    const recorded = root.certificateLogs.flatMap(({ baseUrl, window: { start, end } }) =>
      isOwnPath(baseUrl) &&
      baseUrl !== OWN_PATHS.log(name) &&
      end !== undefined &&
      end > start &&
      end <= latest
        ? [end]
        : [],
    );
    const ends = [...this.#ended.values(), ...recorded];
    return ends.length === 0 ? undefined : Math.max(...ends);
  }

  /** Since when every verifier that fetches the trust gets the key of the staged log: its birth, or where there is a TUF repository since its signed targets have it. Undefined where they do not, and a sentence where nobody knows. */
  async #publishedAt({ identity }: KnownLog): Promise<number | string | undefined> {
    const { paths } = this.#options;
    const { name, logId, createdAt } = identity;
    try {
      const repository = await readRepository(paths.tuf);
      if (repository === undefined) return createdAt;
      const logs = publishedRoot(repository)?.certificateLogs ?? [];
      if (!logs.some((one) => equalBytes(one.logId, logId))) return undefined;
    } catch (error) {
      if (!(error instanceof TufError) && !(error instanceof FormatError)) throw error;
      return `whether the TUF repository has the key of ${name} is not known: ${sentenceOf(error)}`;
    }
    const noted = (await readLogTimes(paths)).published.get(name);
    const now = this.#now();
    if (noted !== undefined || typeof now === 'string') return noted;
    await changing(paths.root, () => noteLogTime(paths, 'published', name, now));
    return now;
  }

  /** The end that verifiers get is the time of the last head: no SCT is younger. Trusted roots have whole seconds. */
  async #recordEnd({ identity, paths }: KnownLog): Promise<void> {
    if (this.#ended.has(identity.name)) return;
    const { frozenAt, head } = await openDirectorySource(paths.directory);
    if (frozenAt === undefined) return;
    const last = Math.ceil(head.timestamp / 1000) * 1000;
    const { root } = await readTrust(this.#options.paths);
    const isOpen = root.certificateLogs.some(
      ({ logId, window }) => equalBytes(logId, identity.logId) && window.end === undefined,
    );
    if (isOpen)
      await recordTrust(this.#options.paths, (trusted) => ({
        ...trusted,
        certificateLogs: trusted.certificateLogs.map((one) =>
          equalBytes(one.logId, identity.logId) && one.window.end === undefined
            ? { ...one, window: { ...one.window, end: Math.max(last, wholeSecond(one.window.start)) } }
            : one,
        ),
      }));
    this.#ended.set(identity.name, frozenAt);
  }

  /** Makes the next log, or finishes what a kill left of one: the key that has no name yet, the head that is not signed, the trust that is not recorded. */
  async #stage(): Promise<void> {
    const { paths, chain, passphrase, log, rules, note } = this.#options;
    const data = paths.root;
    const clock = (): number => log.now();
    const staged = await changing(data, async (directory) => {
      const plan = this.#plan();
      const isThere = stagedLog(await readLogHistory(directory)) !== undefined;
      if (plan === undefined || !(isThere || plan.needsNext)) return undefined;
      const names = shardNames(rules, plan.isNear ? plan.endsAt : undefined, clock());
      const made = await stageLog({ data, chain, passphrase, names, clock });
      await recordTrust(paths);
      return made;
    });
    this.#whole = staged?.identity.name;
    if (staged?.isNew === true) note('info', 'next log staged', { log: staged.identity.origin });
  }

  async #putNextInUse(): Promise<void> {
    const { paths, log } = this.#options;
    const known = this.#known?.next;
    const taken = await changing(paths.root, async (directory) => {
      const history = await readLogHistory(directory);
      const next = stagedLog(history);
      // A command may have been faster.
      if (
        next?.identity.name !== known ||
        next === undefined ||
        history.current.identity.name !== log.identity.name
      )
        return undefined;
      if (this.#plan()?.isDue !== true) return undefined;
      const now = log.now();
      await requireTrustedLog(next, paths, now);
      return this.#take(next, () => putInUse(next, directory, now));
    });
    await taken?.ending;
  }

  async #takeCurrent(): Promise<void> {
    const { paths, log } = this.#options;
    const taken = await changing(paths.root, async (directory) => {
      const { current } = await readLogHistory(directory);
      if (current.identity.name === log.identity.name) return undefined;
      return this.#take(current, () => Promise.resolve());
    });
    await taken?.ending;
  }

  /** It is open before it is said that it is in use: what cannot be opened is not. Between that and the turn in which entries go there they go to the log before, which each start then ends with them. Resolves when entries go to it: the one before may take long to end, and no command has to wait for that. */
  async #take(
    { paths, identity }: KnownLog,
    decide: () => Promise<void>,
  ): Promise<{ readonly ending: Promise<void> }> {
    const { open, take, note, log } = this.#options;
    const former = log.identity;
    const opened = await open(paths);
    try {
      requireUsable(opened);
      await decide();
    } catch (error) {
      await opened.close();
      throw error;
    }
    const ending = take(opened, paths);
    note('info', 'another log in use', { log: identity.origin, former: former.origin });
    return { ending };
  }
}

/** What `mayfly_log_shard_trouble` and the check `shards` say then. */
const ASKED =
  'the log in use is to be followed, and there is none that does: make it with `mayfly log rotate --stage`, and hand out the trust';

const withoutNumbers = (sentence: string | undefined): string | undefined => sentence?.replaceAll(/\d+/g, '');

const wholeSecond = (ms: number): number => Math.floor(ms / 1000) * 1000;

const sentenceOf = (error: unknown): string =>
  error instanceof MayflyError && error.hint !== undefined
    ? `${error.message}. ${error.hint}`
    : messageOf(error);

/** Throws where no certificate would leave. */
function requireUsable(log: CtLog): void {
  const { frozenAt, failed, signingFailure, clockFailure, witnesses } = log.status();
  const { origin } = log.identity;
  if (frozenAt !== undefined)
    throw new RotationError('REFUSED', `${origin} is to be in use, but it has ended`, {
      hint: 'Give it up with `mayfly log rotate --discard`.',
    });
  const failure = failed ?? signingFailure ?? clockFailure ?? witnessFailure(witnesses);
  if (failure !== undefined) throw new RotationError('REFUSED', `${origin} cannot be put in use: ${failure}`);
}

/** A witness that does not know the log cosigns nothing of it. */
const witnessFailure = (witnesses: ReturnType<CtLog['status']>['witnesses']): string | undefined =>
  witnesses?.isRequired === true ? witnesses.failure : undefined;
