/** Keeps a repository alive while a service runs: what is served, what is signed again, and what should be known of it. */
import type { Clock, SteadyClock } from '../../core/clock.ts';
import { messageOf } from '../../core/errors.ts';
import type { Signer } from '../../signers/signer.ts';
import { importChange } from './import-change.ts';
import { dueAt, isOnlineKey, signOnline, type Due } from './online-metadata.ts';
import { alone, publish, whileLocked } from './publish.ts';
import { endsOf, readRepository, stampOf, type Repository } from './repository.ts';
import { ATTENTION, OFFLINE_ROLES, ONLINE_ROLES, type RoleName } from './roles.ts';
import { NEVER_CHANGES } from './repository-files.ts';
import { highestSeen, isLower, versionsIn, type Served, type TufVersions } from './served-versions.ts';
import { SharedRepository } from './shared-repository.ts';
import { signChange } from './sign-change.ts';
import { SigningClock } from './signing-clock.ts';
import { stageChange } from './stage-change.ts';
import { differencesFrom, type TargetContents } from './target-contents.ts';
import { TufError } from './tuf-error.ts';

/** What a service has for the upkeep of its repository. */
export interface UpkeepOptions {
  /** Where the repository is, or will be. */
  readonly directory: string;
  readonly clock: Clock;
  /** What the machine counts by itself; without it a clock that jumps is not noticed. */
  readonly steadyClock?: SteadyClock | undefined;
  /** Opens the online keys that lie in the data directory: the one in use, and the one that is to follow. Rejects when the one that `root` names
   * cannot be opened. */
  readonly openOnlineKeys: (root: Repository['root']) => Promise<readonly Signer[]>;
  /** Called when something was signed. */
  readonly onSigned: (versions: TufVersions) => void;
  /** Called with each new failure, and with undefined when it is over. */
  readonly onTrouble: (failure: string | undefined) => void;
  /** The same for the comparison with what clients should get. */
  readonly onComparisonTrouble: (failure: string | undefined) => void;
  /** Called when the targets do not say any more what they should, and with an empty list when they do again. */
  readonly onDifference: (names: readonly string[]) => void;
}

/** What clients should get, once the service knows its own address. */
export interface WantedTargets {
  readonly contents: () => Promise<TargetContents>;
  /** Opens the key of root and targets, where a service for development has it: then targets follow `contents` by themselves. */
  readonly openRootKey?: (() => Promise<Signer>) | undefined;
}

/** How the repository is. */
export interface TufStatus {
  /** Milliseconds since the epoch, and versions; undefined where it could not be read since the start. */
  readonly ends?: Readonly<Record<RoleName, number>> | undefined;
  readonly versions?: TufVersions | undefined;
  /** Why it could not be read or signed at the last try. */
  readonly failure?: string | undefined;
  /** Why nobody knows what clients should get: what is to be exported could not be read at the last try. */
  readonly comparisonFailure?: string | undefined;
  /** Names of targets that are not what clients should get. */
  readonly differences: readonly string[];
  /** How often the online key signed, and how often it should have and did not. */
  readonly signatures: number;
  readonly failures: number;
}

/** Milliseconds between two looks at the repository. An import by another process counts from the next one on. */
const CHECK_INTERVAL = 2_000;
/** Milliseconds between two comparisons with what clients should get, and between two tries after a failure. */
const COMPARE_INTERVAL = 60_000;
const RETRY_INTERVAL = 10_000;

/** The upkeep of one repository. */
export class TufUpkeep {
  readonly #options: UpkeepOptions;
  readonly #signingClock: SigningClock;
  /** Undefined where the repository is in its directory alone, or is not there yet. */
  #shared: SharedRepository | undefined;
  #wanted: WantedTargets | undefined;
  #repository: Repository | undefined;
  #stamp: string | undefined;
  /** Whether it was ever found right, or not there at all: a repository without its timestamp has no stamp either. */
  #isRead = false;
  /** Of the repository at the last look, which may have failed. */
  #looked: string | undefined;
  /** What was served last, and under which root. */
  #seen: Served | undefined;
  /** What another service served, and was replaced by what people signed later. */
  #overtaken: Served | undefined;
  #mustSign = false;
  #failure: string | undefined;
  #comparisonFailure: string | undefined;
  #differences: readonly string[] = [];
  #comparedAt = -Infinity;
  #failedAt = -Infinity;
  #signatures = 0;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  /** What reads or writes the copy, one after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  #looking: Promise<void> | undefined;
  #lookingNext: Promise<void> | undefined;
  /** When the last look at the database failed. */
  #awayAt = -Infinity;
  /** Whether the database was out of reach at the last check. */
  #isAway = false;
  /** When something was left to be signed by another service. */
  #leftAt = -Infinity;

  constructor(options: UpkeepOptions) {
    this.#options = options;
    this.#signingClock = new SigningClock(options.clock, options.steadyClock);
  }

  /** Compares the targets with `wanted` from now on, and checks now and then every two seconds. Resolves after the first check. */
  async start(wanted: WantedTargets): Promise<void> {
    this.#wanted = wanted;
    this.#comparedAt = -Infinity;
    this.#failedAt = -Infinity;
    await this.check();
    this.#timer = setInterval(() => void this.check(), CHECK_INTERVAL).unref();
  }

  /** Resolves when nothing is written any more. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
    await this.#lookingNext;
    await this.#looking;
    await this.#turn;
    await this.#shared?.close();
  }

  /** The file at a path below the repository's URL, as this service has it. */
  file(path: string): Uint8Array | undefined {
    return this.#repository?.files.get(path);
  }

  /**
   * The same, as no service that shares the repository has it later: what may have been replaced, and what is not here, is looked for in the database first. So a client that was at another service before
   * gets nothing that is older, and everything that the timestamp of that one names. Never rejects: while the database does not answer, what this service has is given. Who was shown something newer refuses that as they
   * would refuse an error, and everybody else goes on with it until the timestamp ends.
   */
  current(path: string): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    const known = this.file(path);
    const isSure = known === undefined ? !MAY_COME.test(path) : NEVER_CHANGES.test(path);
    if (this.#shared === undefined || isSure) return known;
    return this.#look().then(() => this.file(path));
  }

  /** Resolves after a look at the database that began after this call; calls meanwhile share the next one. For a while after one that failed there is none. */
  #look(): Promise<void> {
    if (performance.now() - this.#awayAt < CHECK_INTERVAL) return Promise.resolve();
    if (this.#looking === undefined)
      return (this.#looking = this.#bringUp().finally(() => (this.#looking = undefined)));
    return (this.#lookingNext ??= this.#looking.then(() => {
      this.#lookingNext = undefined;
      return this.#look();
    }));
  }

  async #bringUp(): Promise<void> {
    const shared = this.#shared;
    try {
      if (shared === undefined || !(await shared.isChanged())) return;
      await this.#inTurn(async () => {
        if (!(await shared.isChanged())) return;
        await this.#pull(shared);
        await this.#read();
      });
    } catch {
      // The next check says why.
      this.#awayAt = performance.now();
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  /** Undefined while there is no repository. */
  status(): TufStatus | undefined {
    if (this.#repository === undefined && this.#failure === undefined) return undefined;
    return {
      ends: this.#repository && endsOf(this.#repository),
      versions: this.#repository && versionsIn(this.#repository),
      failure: this.#failure,
      comparisonFailure: this.#comparisonFailure,
      differences: this.#differences,
      signatures: this.#signatures,
      failures: this.#failures,
    };
  }

  /** Reads what another process published, signs what is due, and compares. Never rejects: a failure is reported and tried again. Calls
   * at the same time share one. */
  check(): Promise<void> {
    this.#running ??= this.#inTurn(() => this.#check()).finally(() => (this.#running = undefined));
    return this.#running;
  }

  /** What others published is brought here whatever this service cannot do. */
  async #check(): Promise<void> {
    const wasAway = this.#isAway;
    const away = await this.#refresh().then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    this.#isAway = away !== undefined;
    const isKnown = this.#isAway ? this.#isRead : !wasAway && !(await this.#isChanged());
    const isRecent = this.#failure !== undefined && performance.now() - this.#failedAt < RETRY_INTERVAL;
    if (isRecent && isKnown) {
      if (away !== undefined) this.#trouble(messageOf(away.error));
      return;
    }
    try {
      await this.#read();
      if (away !== undefined) throw away.error;
      await this.#sign();
      if (performance.now() - this.#comparedAt >= COMPARE_INTERVAL) await this.#follow();
      this.#trouble(undefined);
    } catch (error) {
      this.#failures++;
      this.#failedAt = performance.now();
      this.#trouble(messageOf(error));
    }
  }

  #trouble(failure: string | undefined): void {
    const isKnown = withoutNumbers(failure) === withoutNumbers(this.#failure);
    this.#failure = failure;
    if (!isKnown) this.#options.onTrouble(failure);
  }

  /** Brings the directory to what other services published. */
  async #refresh(): Promise<void> {
    const shared = await SharedRepository.open(this.#options.directory, this.#shared);
    if (shared !== this.#shared) await this.#shared?.close();
    this.#shared = shared;
    if (shared !== undefined && (await shared.isChanged())) await this.#pull(shared);
  }

  async #pull(shared: SharedRepository): Promise<void> {
    const overtaken = await alone(this.#options.directory, () => shared.pull());
    if (overtaken === undefined) return;
    this.#overtaken = overtaken;
    this.#mustSign = true;
  }

  async #isChanged(): Promise<boolean> {
    return (await stampOf(this.#options.directory)) !== this.#looked;
  }

  /** What is read for the first time may be a backup, and what is lower than what was served is one: clients may have seen more, so it is signed
   * anew, and does not take the place of something higher before that. */
  async #read(): Promise<void> {
    const stamp = await stampOf(this.#options.directory);
    this.#looked = stamp;
    if (this.#isRead && stamp === this.#stamp) return;
    const repository = await readRepository(this.#options.directory);
    const isBehind = repository !== undefined && this.#seen !== undefined && isLower(repository, this.#seen);
    this.#mustSign ||= isBehind || (repository !== undefined && this.#seen === undefined);
    if (!isBehind) this.#put(repository, stamp);
  }

  #put(repository: Repository | undefined, stamp: string | undefined): void {
    this.#repository = repository;
    this.#seen = repository ?? this.#seen;
    this.#stamp = stamp;
    this.#isRead = true;
    this.#comparedAt = -Infinity;
  }

  async #sign(): Promise<void> {
    const { directory } = this.#options;
    const repository = this.#repository;
    if (!this.#mustSign && (repository === undefined || this.#due(repository) === 'nothing')) return;
    if (performance.now() - this.#leftAt < RETRY_INTERVAL) return;
    const isSigned = await whileLocked(directory, async (at) => {
      // Another process may have published since.
      const current = await readRepository(at);
      if (current === undefined) return false;
      const seen = highestSeen(current, [this.#seen, this.#overtaken]);
      const work = { root: current.root, targets: current.targets, before: current, seen };
      const due = this.#due(current);
      if (due === 'nothing') return false;
      const key = await this.#onlineKey(current);
      if (key === undefined) return false;
      const now = this.#signingClock.now(current, this.#wanted?.openRootKey !== undefined);
      const signed = await signOnline(work, due, key, now);
      // With the root: what was interrupted after the timestamp has left the `root.json` of before.
      await publish(at, { roots: [current.root], targets: current.targets, ...signed });
      return true;
    });
    this.#mustSign = false;
    if (isSigned) {
      this.#signatures++;
      this.#overtaken = undefined;
      await this.#published();
    } else await this.#read();
  }

  #due(repository: Repository): Due {
    return this.#mustSign ? 'both' : dueAt(this.#options.clock(), { ...repository, before: repository });
  }

  /** Undefined where another service is to sign: this one has no key that counts, and it is not late yet. */
  async #onlineKey(repository: Repository): Promise<Signer | undefined> {
    const { root } = repository;
    const keys = await this.#options.openOnlineKeys(root);
    const key = keys.find(({ publicKey }) => isOnlineKey(root, publicKey));
    if (key !== undefined) return key;
    if (this.#shared !== undefined && !isLate(repository, this.#options.clock())) {
      this.#leftAt = performance.now();
      return undefined;
    }
    const [other] = keys;
    if (other !== undefined) return other;
    throw new TufError('TUF_REFUSED', 'there is no online key', {
      hint: 'Restore keys/tuf-online.key.pem from a backup.',
    });
  }

  async #published(): Promise<void> {
    await this.#read();
    if (this.#repository !== undefined) this.#options.onSigned(versionsIn(this.#repository));
  }

  /** Signs and publishes what clients should get where the root key is there, and says what they should get and do not. */
  async #follow(): Promise<void> {
    if (this.#repository === undefined || this.#wanted === undefined) return;
    const { contents, openRootKey } = this.#wanted;
    const wanted = await this.#wantedNow(contents);
    if (wanted === undefined) return;
    if (openRootKey !== undefined) await this.#change(this.#repository, wanted, openRootKey);
    const names = [...differencesFrom(this.#repository.targets.signed, wanted).keys()];
    this.#comparedAt = performance.now();
    if (names.join() === this.#differences.join()) return;
    this.#differences = names;
    this.#options.onDifference(names);
  }

  /** Undefined where it cannot be read, which keeps nothing from being signed. It is tried again with the next comparison. */
  async #wantedNow(contents: WantedTargets['contents']): Promise<TargetContents | undefined> {
    const [wanted, failure] = await contents().then(
      (found) => [found, undefined] as const,
      (error: unknown) => [undefined, messageOf(error)] as const,
    );
    if (wanted === undefined) this.#comparedAt = performance.now();
    if (failure !== this.#comparisonFailure) this.#options.onComparisonTrouble(failure);
    this.#comparisonFailure = failure;
    return wanted;
  }

  async #change(
    repository: Repository,
    contents: TargetContents,
    openRootKey: () => Promise<Signer>,
  ): Promise<void> {
    const { directory, clock, openOnlineKeys } = this.#options;
    const ends = endsOf(repository);
    const renew = OFFLINE_ROLES.some((role) => ends[role] - clock() < ATTENTION[role]);
    const staged = stageChange(repository, { contents, root: NO_EDITS, targets: NO_EDITS, renew }, clock());
    if (staged === undefined) return;
    const signed = await signChange(staged, await openRootKey());
    await importChange(directory, signed, await openOnlineKeys(signed.root ?? repository.root), clock());
    await this.#published();
  }
}

/** Paths of a repository. */
const MAY_COME = /^(?:[\w.]+\.json|targets\/[\w.-]+)$/;

/** Whether nobody signed for longer than it takes. */
const isLate = (repository: Repository, now: number): boolean =>
  ONLINE_ROLES.some((role) => endsOf(repository)[role] - now < ATTENTION[role]);

const NO_EDITS = { add: [], remove: [] };

/** What a failure says without times and counts, which are others with each try. */
const withoutNumbers = (failure: string | undefined): string | undefined => failure?.replaceAll(/\d+/g, '');
