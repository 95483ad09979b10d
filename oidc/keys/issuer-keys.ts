/**
 * The keys of one issuer, kept fresh. However many tokens come, the issuer sees at most one refresh at a time, one attempt
 * per {@link RETRY_INTERVAL} while it fails, and one extra fetch per {@link RETRY_INTERVAL} for keys that are not known yet.
 */
import type { Clock } from '../../core/clock.ts';
import { ago } from '../core/duration.ts';
import type { IssuerWarning } from '../core/issuer-warning.ts';
import { algorithmsOf } from './accepted-algorithms.ts';
import type { AcceptedAlgorithms } from './accepted-algorithms.ts';
import { discover, discoveryUrl } from './discovery.ts';
import type { FetchDocument } from './fetch-document.ts';
import { IssuerFault } from './issuer-fault.ts';
import type { KeyLocation } from './key-location.ts';
import { fetchKeySet } from './key-set.ts';
import type { KeySet } from './key-set.ts';
import type { SkippedKey } from './verification-key.ts';
import { MAX_WAITING, WaitLimit } from './wait-limit.ts';

const MINUTE = 60_000;
/** From this age on, keys are fetched again in the background. */
const REFRESH_AGE = 8 * MINUTE;
/** From this age on, a token waits for newer keys. */
export const MAX_AGE = 10 * MINUTE;
/** Up to this age, keys still serve while the issuer is down. */
export const STALE_AGE = 60 * MINUTE;
/** Between two attempts to reach an issuer that fails, and between two fetches for an unknown key. */
export const RETRY_INTERVAL = 10_000;

/** An issuer's keys of one moment. */
export interface KeySnapshot {
  /** With which its tokens may be signed. */
  readonly algorithms: AcceptedAlgorithms;
  readonly keys: KeySet;
}

/** Where the keys of an issuer come from. */
export interface KeyProvider {
  /** Keys that may be used now. Throws {@link IssuerFault} when there are none. */
  current(): Promise<KeySnapshot>;
  /** Keys newer than `known`, for a token that none of those verifies; undefined when there are none, or it is too early
   * to ask again. Throws {@link IssuerFault}. */
  newerThan(known: KeySnapshot): Promise<KeySnapshot | undefined>;
}

/** Keys and where they were found. */
interface IssuerSnapshot extends KeySnapshot {
  readonly jwksUri: URL;
  /** When all of it was last fetched, in milliseconds since the epoch. A fetch for an unknown key does not count: else the
   * key ids of an untrusted caller could keep an old discovery document alive. */
  readonly fetchedAt: number;
}

/** What {@link IssuerKeys} needs. */
interface IssuerKeysOptions {
  readonly issuer: string;
  /** Default: the discovery document below the issuer's URL. */
  readonly location?: KeyLocation | undefined;
  readonly fetch: FetchDocument;
  readonly clock: Clock;
  /** Of each document, in milliseconds; default 10 s. */
  readonly timeout?: number | undefined;
  /** Shared with the other issuers of the same server; one of its own by default. */
  readonly waitLimit?: WaitLimit | undefined;
  /** Host names and addresses (as `URL.hostname` has them) that the operator agreed to, wherever they are; any other must
   * have a public address. Default: the issuer's own host. */
  readonly namedHosts?: ReadonlySet<string> | undefined;
  /** Longest document that is read, in bytes, where it is less than what is read of any issuer. */
  readonly maxDocument?: number | undefined;
  /** Called with what an operator should know of keys that are in use: those that are skipped, when they are not the same as
   * before, and the first of several fetches that fail while earlier keys serve. */
  readonly warn?: ((warning: IssuerWarning) => void) | undefined;
  /** Whether a first fetch starts even when its token is refused because too many wait, for the tokens that come later;
   * default yes. Not for issuers that untrusted callers can name. */
  readonly eager?: boolean | undefined;
}

/** The keys of one issuer, fetched when they are needed, cached, and renewed. */
export class IssuerKeys implements KeyProvider {
  readonly #options: IssuerKeysOptions;
  #snapshot: IssuerSnapshot | undefined;
  #refreshing: Promise<IssuerSnapshot> | undefined;
  #searching: Promise<IssuerSnapshot> | undefined;
  #failure: { readonly fault: IssuerFault; readonly at: number } | undefined;
  #searchedAt: number | undefined;
  /** What was last reported of keys that are skipped. */
  #skipped = '';
  readonly #waitLimit: WaitLimit;
  readonly #namedHosts: ReadonlySet<string>;
  #waiting = 0;

  constructor(options: IssuerKeysOptions) {
    this.#options = options;
    this.#waitLimit = options.waitLimit ?? new WaitLimit();
    this.#namedHosts = options.namedHosts ?? new Set([new URL(options.issuer).hostname]);
  }

  /** Keys that may be used now. Throws {@link IssuerFault} when there are none and none can be fetched. */
  async current(): Promise<IssuerSnapshot> {
    const known = this.#snapshot;
    if (known === undefined) return this.#withinWaitLimits(() => this.#refresh());
    const age = this.#since(known.fetchedAt);
    if (age < REFRESH_AGE) return known;
    const refreshing = ignoreRejection(this.#refresh());
    // While an issuer is down, no token waits for it as long as its old keys may be used.
    if (age < MAX_AGE || (age < STALE_AGE && this.#failure !== undefined)) return known;
    return this.#withinWaitLimits(() => (age < STALE_AGE ? refreshing.catch(() => known) : refreshing));
  }

  /** Keys newer than `known`, for a token that none of those verifies; undefined when it is too early to ask again.
   * Throws {@link IssuerFault}. */
  async newerThan(known: KeySnapshot): Promise<KeySnapshot | undefined> {
    const latest = this.#snapshot;
    if (latest === undefined || latest !== known) return latest;
    const searching = this.#searching;
    if (searching !== undefined) return this.#withinWaitLimits(() => searching);
    if (this.#searchedAt !== undefined && this.#since(this.#searchedAt) < RETRY_INTERVAL) return undefined;
    this.#searchedAt = this.#options.clock();
    const search = ignoreRejection(this.#search(latest).finally(() => (this.#searching = undefined)));
    this.#searching = search;
    return this.#withinWaitLimits(() => search);
  }

  async #withinWaitLimits(start: () => Promise<IssuerSnapshot>): Promise<IssuerSnapshot> {
    if (this.#waiting >= MAX_WAITING) {
      throw this.#tooManyWaiting(start, `${MAX_WAITING} requests already wait for ${this.#options.issuer}`);
    }
    if (!this.#waitLimit.enter(this.#waiting)) {
      throw this.#tooManyWaiting(
        start,
        `${this.#waitLimit.limit} requests already wait for issuers that do not answer`,
      );
    }
    this.#waiting++;
    try {
      return await start();
    } finally {
      this.#waiting--;
      this.#waitLimit.leave();
    }
  }

  #tooManyWaiting(start: () => Promise<unknown>, sentence: string): IssuerFault {
    if (this.#options.eager !== false) start().catch(() => undefined);
    return new IssuerFault('UNREACHABLE', sentence);
  }

  // A clock that was set back makes everything old, never fresh for longer.
  #since(time: number): number {
    const age = this.#options.clock() - time;
    return age < 0 ? Number.POSITIVE_INFINITY : age;
  }

  #refresh(): Promise<IssuerSnapshot> {
    const failure = this.#failure;
    if (this.#refreshing !== undefined) return this.#refreshing;
    if (failure !== undefined && this.#since(failure.at) < RETRY_INTERVAL)
      return Promise.reject(failure.fault);
    this.#refreshing = this.#fetchAll().finally(() => (this.#refreshing = undefined));
    return this.#refreshing;
  }

  async #fetchAll(): Promise<IssuerSnapshot> {
    const { clock } = this.#options;
    try {
      const { jwksUri, algorithms } = await this.#locate();
      const fetchedAt = clock();
      const keys = await fetchKeySet(jwksUri, this.#fetch);
      if (this.#isLoss(keys)) throw emptied(jwksUri);
      this.#failure = undefined;
      this.#reportSkipped(keys);
      return (this.#snapshot = { jwksUri, algorithms: algorithms ?? algorithmsOf(keys), keys, fetchedAt });
    } catch (error) {
      if (error instanceof IssuerFault) this.#fail(error);
      throw error;
    }
  }

  /** Where the keys are, and with what tokens may be signed, as far as the issuer says so. */
  async #locate(): Promise<{ readonly jwksUri: URL; readonly algorithms?: AcceptedAlgorithms }> {
    const { issuer, location } = this.#options;
    if (location === undefined) return discover({ url: discoveryUrl(issuer), issuer }, this.#fetch);
    return location.kind === 'jwks' ? { jwksUri: location.url } : discover(location, this.#fetch);
  }

  /** Fetches the keys only, from where they were found before. The answer never replaces what a refresh has brought in the
   * meantime: it may be older, and hold a key that was withdrawn. An empty answer replaces nothing either: any caller can
   * cause this fetch, and a server that has just started may have no keys for a moment. */
  async #search(known: IssuerSnapshot): Promise<IssuerSnapshot> {
    const keys = await fetchKeySet(known.jwksUri, this.#fetch);
    const latest = this.#snapshot;
    if (latest !== undefined && latest !== known) return latest;
    if (this.#isLoss(keys)) {
      this.#fail(emptied(known.jwksUri));
      return known;
    }
    this.#reportSkipped(keys);
    const { algorithms } = known;
    return (this.#snapshot = {
      ...known,
      algorithms: algorithms.source === 'keys' ? algorithmsOf(keys) : algorithms,
      keys,
    });
  }

  /** Whether a set of keys holds none that is of use while the ones before are not too old to serve. */
  #isLoss({ keys }: KeySet): boolean {
    const known = this.#snapshot;
    if (known === undefined || keys.length > 0 || known.keys.keys.length === 0) return false;
    return this.#since(known.fetchedAt) < STALE_AGE;
  }

  #fail(fault: IssuerFault): void {
    const { issuer, clock, warn } = this.#options;
    const isFirst = this.#failure === undefined;
    this.#failure = { fault, at: clock() };
    const known = this.#snapshot;
    if (!isFirst || known === undefined) return;
    const age = this.#since(known.fetchedAt);
    if (age >= STALE_AGE) return;
    const sentence = `${fault.message}; the keys of ${ago(age)} ago serve until they are ${ago(STALE_AGE)} old`;
    warn?.({ issuer, sentence, hint: fault.hint ?? 'It is asked again all the while.' });
  }

  #reportSkipped({ skipped }: KeySet): void {
    const { issuer, warn } = this.#options;
    const faults = skipped.filter(({ isFault }) => isFault);
    const text = JSON.stringify(faults);
    if (text === this.#skipped) return;
    this.#skipped = text;
    for (const warning of skippedWarnings(issuer, faults)) warn?.(warning);
  }

  readonly #fetch: FetchDocument = (url, limits) => {
    const { fetch, timeout = limits.timeout, maxDocument = limits.size } = this.#options;
    const publicOnly = !this.#namedHosts.has(url.hostname);
    return fetch(url, { timeout, size: Math.min(limits.size, maxDocument), publicOnly });
  };
}

/** Warnings about keys of an issuer that verify nothing. */
export function skippedWarnings(issuer: string, skipped: readonly SkippedKey[]): IssuerWarning[] {
  const hint =
    'Tokens that are signed with it are refused (KEY_UNUSABLE). The operator of the issuer has to replace it.';
  return skipped.slice(0, MAX_REPORTED).map(({ name, why }) => ({
    issuer,
    sentence: `${name} of ${issuer} is skipped: ${why}`,
    hint,
  }));
}

const MAX_REPORTED = 5;

const emptied = (url: URL): IssuerFault =>
  new IssuerFault('UNUSABLE', `${url.href} holds no key any more that can verify a token`, {
    hint: 'If all keys were withdrawn, take the issuer block out: the earlier ones serve for up to an hour.',
  });

/** A promise whose rejection does not end the process when no waiter is left. */
function ignoreRejection<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}
