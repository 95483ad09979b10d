/**
 * The keys of one issuer, kept fresh. However many tokens come, the issuer sees at most one refresh at a time, one
 * try per {@link RETRY_INTERVAL} while it fails, and one extra look per {@link RETRY_INTERVAL} for keys that nobody
 * has seen.
 */
import type { Clock } from '../core/clock.ts';
import { discover } from './discovery.ts';
import type { ProviderMetadata } from './discovery.ts';
import type { FetchDocument } from './fetch-document.ts';
import { IssuerFault } from './issuer-fault.ts';
import { fetchKeySet } from './jwks.ts';
import type { KeySet } from './jwks.ts';
import { MAX_WAITING, MAX_WAITING_IN_ALL, WaitingRoom } from './waiting-room.ts';

const MINUTE = 60_000;
/** From this age on, keys are fetched again beside the work. */
const REFRESH_AGE = 8 * MINUTE;
/** From this age on, a token waits for newer keys. */
export const MAX_AGE = 10 * MINUTE;
/** Up to this age, keys still serve while the issuer is down. */
export const STALE_AGE = 60 * MINUTE;
/** Between two tries at an issuer that fails, and between two looks for an unknown key. */
export const RETRY_INTERVAL = 10_000;

/** An issuer's keys and what it says about itself, of one moment. */
export interface IssuerSnapshot {
  readonly metadata: ProviderMetadata;
  readonly keys: KeySet;
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
}

/** See the top of the file. */
export class IssuerKeys {
  readonly #options: IssuerKeysOptions;
  #snapshot: IssuerSnapshot | undefined;
  #refreshing: Promise<IssuerSnapshot> | undefined;
  #searching: Promise<IssuerSnapshot> | undefined;
  #failure: { readonly fault: IssuerFault; readonly at: number } | undefined;
  #searchedAt: number | undefined;
  readonly #room: WaitingRoom;
  #waiting = 0;

  constructor(options: IssuerKeysOptions) {
    this.#options = options;
    this.#room = options.room ?? new WaitingRoom();
  }

  /** Keys that may be used now. Throws {@link IssuerFault} when there are none and the issuer gives none. */
  async current(): Promise<IssuerSnapshot> {
    const known = this.#snapshot;
    if (known === undefined) return this.#inLine(this.#refresh());
    const age = this.#since(known.fetchedAt);
    if (age < REFRESH_AGE) return known;
    const refreshing = this.#refresh();
    // While an issuer is down nobody waits for it as long as its old keys will do.
    if (age < MAX_AGE || (age < STALE_AGE && this.#failure !== undefined)) {
      refreshing.catch(() => undefined);
      return known;
    }
    return this.#inLine(age < STALE_AGE ? refreshing.catch(() => known) : refreshing);
  }

  /** Keys newer than `known`, for a token that none of those verifies; undefined when it is too early to ask again.
   * Throws {@link IssuerFault}. */
  async newerThan(known: IssuerSnapshot): Promise<IssuerSnapshot | undefined> {
    const latest = this.#snapshot;
    if (latest !== undefined && latest !== known) return latest;
    if (this.#searching !== undefined) return this.#inLine(this.#searching);
    if (this.#searchedAt !== undefined && this.#since(this.#searchedAt) < RETRY_INTERVAL) return undefined;
    this.#searchedAt = this.#options.clock();
    this.#searching = this.#search(known.metadata, known.fetchedAt).finally(
      () => (this.#searching = undefined),
    );
    return this.#inLine(this.#searching);
  }

  async #inLine(answer: Promise<IssuerSnapshot>): Promise<IssuerSnapshot> {
    if (this.#waiting >= MAX_WAITING) {
      throw crowded(answer, `${MAX_WAITING} requests already wait for ${this.#options.issuer}`);
    }
    if (!this.#room.enter()) {
      throw crowded(answer, `${MAX_WAITING_IN_ALL} requests already wait for issuers that do not answer`);
    }
    this.#waiting++;
    try {
      return await answer;
    } finally {
      this.#waiting--;
      this.#room.leave();
    }
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
    const { issuer, fetch, timeout, clock } = this.#options;
    try {
      const snapshot = await this.#search(await discover(issuer, fetch, timeout), clock());
      this.#failure = undefined;
      return snapshot;
    } catch (error) {
      if (error instanceof IssuerFault) this.#failure = { fault: error, at: clock() };
      throw error;
    }
  }

  async #search(metadata: ProviderMetadata, fetchedAt: number): Promise<IssuerSnapshot> {
    const { issuer, fetch, timeout } = this.#options;
    const keys = await fetchKeySet(metadata.jwksUri, issuer, fetch, timeout);
    this.#snapshot = { metadata, keys, fetchedAt };
    return this.#snapshot;
  }
}

/** The refusal of one more who would wait; the fetch goes on for those who do, and for who comes later. */
function crowded(answer: Promise<unknown>, sentence: string): IssuerFault {
  answer.catch(() => undefined);
  return new IssuerFault('UNREACHABLE', sentence);
}
