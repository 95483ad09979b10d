/**
 * The keys of one issuer, kept fresh. However many tokens come, the issuer sees at most one refresh at a time, one
 * try per {@link RETRY_INTERVAL} while it fails, and one extra look per {@link RETRY_INTERVAL} for keys that nobody
 * has seen.
 */
import type { Clock } from '../../core/clock.ts';
import type { Algorithm } from '../algorithms.ts';
import { discover } from './discovery.ts';
import type { ProviderMetadata } from './discovery.ts';
import type { FetchDocument } from './fetch-document.ts';
import { IssuerFault } from './issuer-fault.ts';
import { fetchKeySet } from './jwks.ts';
import type { KeySet } from './jwks.ts';
import { MAX_WAITING, WaitingRoom } from './waiting-room.ts';

const MINUTE = 60_000;
/** From this age on, keys are fetched again beside the work. */
const REFRESH_AGE = 8 * MINUTE;
/** From this age on, a token waits for newer keys. */
export const MAX_AGE = 10 * MINUTE;
/** Up to this age, keys still serve while the issuer is down. */
export const STALE_AGE = 60 * MINUTE;
/** Between two tries at an issuer that fails, and between two looks for an unknown key. */
export const RETRY_INTERVAL = 10_000;

/** An issuer's keys of one moment. */
export interface KeySnapshot {
  /** With which its tokens may be signed. */
  readonly algorithms: ReadonlySet<Algorithm>;
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

/** Keys and what the issuer says about itself. */
interface IssuerSnapshot extends KeySnapshot {
  readonly metadata: ProviderMetadata;
  /** When all of it was last fetched, in milliseconds since the epoch. A look for an unknown key does not count: else a
   * stranger's key ids could keep an old discovery document alive. */
  readonly fetchedAt: number;
}

/** What {@link IssuerKeys} needs. */
export interface IssuerKeysOptions {
  readonly issuer: string;
  readonly fetch: FetchDocument;
  readonly clock: Clock;
  /** Of each document, in milliseconds; default 10 s. */
  readonly timeout?: number | undefined;
  /** Shared with the other issuers of the same server; one of its own by default. */
  readonly room?: WaitingRoom | undefined;
  /** Host names and addresses (as `URL.hostname` has them) that the operator agreed to, wherever they are; any other must
   * have a public address. Default: the issuer's own host. */
  readonly namedHosts?: ReadonlySet<string> | undefined;
  /** Longest document that is read, in bytes, where it is less than what is read of any issuer. */
  readonly maxDocument?: number | undefined;
  /** Whether a first fetch starts although nobody can wait for it, for those who come later; default yes. Not for issuers
   * that strangers can name. */
  readonly eager?: boolean | undefined;
}

/** See the top of the file. */
export class IssuerKeys implements KeyProvider {
  readonly #options: IssuerKeysOptions;
  #snapshot: IssuerSnapshot | undefined;
  #refreshing: Promise<IssuerSnapshot> | undefined;
  #searching: Promise<IssuerSnapshot> | undefined;
  #failure: { readonly fault: IssuerFault; readonly at: number } | undefined;
  #searchedAt: number | undefined;
  readonly #room: WaitingRoom;
  readonly #namedHosts: ReadonlySet<string>;
  #waiting = 0;

  constructor(options: IssuerKeysOptions) {
    this.#options = options;
    this.#room = options.room ?? new WaitingRoom();
    this.#namedHosts = options.namedHosts ?? new Set([new URL(options.issuer).hostname]);
  }

  /** Keys that may be used now. Throws {@link IssuerFault} when there are none and the issuer gives none. */
  async current(): Promise<IssuerSnapshot> {
    const known = this.#snapshot;
    if (known === undefined) return this.#inLine(() => this.#refresh());
    const age = this.#since(known.fetchedAt);
    if (age < REFRESH_AGE) return known;
    const refreshing = heard(this.#refresh());
    // While an issuer is down nobody waits for it as long as its old keys will do.
    if (age < MAX_AGE || (age < STALE_AGE && this.#failure !== undefined)) return known;
    return this.#inLine(() => (age < STALE_AGE ? refreshing.catch(() => known) : refreshing));
  }

  /** Keys newer than `known`, for a token that none of those verifies; undefined when it is too early to ask again.
   * Throws {@link IssuerFault}. */
  async newerThan(known: KeySnapshot): Promise<KeySnapshot | undefined> {
    const latest = this.#snapshot;
    if (latest === undefined || latest !== known) return latest;
    const searching = this.#searching;
    if (searching !== undefined) return this.#inLine(() => searching);
    if (this.#searchedAt !== undefined && this.#since(this.#searchedAt) < RETRY_INTERVAL) return undefined;
    this.#searchedAt = this.#options.clock();
    const search = heard(this.#search(latest).finally(() => (this.#searching = undefined)));
    this.#searching = search;
    return this.#inLine(() => search);
  }

  async #inLine(start: () => Promise<IssuerSnapshot>): Promise<IssuerSnapshot> {
    if (this.#waiting >= MAX_WAITING) {
      throw this.#crowded(start, `${MAX_WAITING} requests already wait for ${this.#options.issuer}`);
    }
    if (!this.#room.enter(this.#waiting)) {
      throw this.#crowded(start, `${this.#room.places} requests already wait for issuers that do not answer`);
    }
    this.#waiting++;
    try {
      return await start();
    } finally {
      this.#waiting--;
      this.#room.leave();
    }
  }

  #crowded(start: () => Promise<unknown>, sentence: string): IssuerFault {
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
    const { issuer, clock } = this.#options;
    try {
      const metadata = await discover(issuer, this.#fetch);
      const fetchedAt = clock();
      const keys = await fetchKeySet(metadata.jwksUri, this.#fetch);
      this.#failure = undefined;
      return (this.#snapshot = { metadata, algorithms: metadata.algorithms, keys, fetchedAt });
    } catch (error) {
      if (error instanceof IssuerFault) this.#failure = { fault: error, at: clock() };
      throw error;
    }
  }

  /** Keys only, from where they were found before. Its answer never replaces what a refresh brought in the meantime: it
   * may be older, and hold a key that was withdrawn. */
  async #search(known: IssuerSnapshot): Promise<IssuerSnapshot> {
    const keys = await fetchKeySet(known.metadata.jwksUri, this.#fetch);
    const latest = this.#snapshot;
    if (latest !== undefined && latest !== known) return latest;
    return (this.#snapshot = { ...known, keys });
  }

  readonly #fetch: FetchDocument = (url, limits) => {
    const { fetch, timeout = limits.timeout, maxDocument = limits.size } = this.#options;
    const publicOnly = !this.#namedHosts.has(url.hostname);
    return fetch(url, { timeout, size: Math.min(limits.size, maxDocument), publicOnly });
  };
}

/** A promise whose failure ends nothing even when nobody waits for it. */
function heard<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}
