/**
 * Where the keys of issuers come from: connections and caches, which outlive a configuration. A later configuration takes
 * over the connections and caches that it needs too. Each configuration closes only what no other one uses.
 */
import type { Clock } from '../../core/clock.ts';
import type { IssuerWarning } from '../core/issuer-warning.ts';
import { createDocumentFetcher } from './fetch-document.ts';
import type { DocumentFetcher } from './fetch-document.ts';
import { IssuerKeys } from './issuer-keys.ts';
import type { KeyProvider } from './issuer-keys.ts';
import type { KeyRoute } from './key-route.ts';
import type { ServerTrust } from './connections.ts';
import type { ClusterAccess } from './kubernetes-cluster.ts';
import { createClusterFetcher } from './kubernetes-fetcher.ts';
import { UnknownIssuerKeys } from './unknown-issuer-keys.ts';
import { MAX_WAITING_FOR_UNKNOWN_ISSUERS, WaitLimit } from './wait-limit.ts';

/** What {@link KeySources} needs. */
export interface KeySourcesOptions {
  readonly clock: Clock;
  /** Makes the fetcher for issuers with this trust; default over the network. */
  readonly createFetcher?: ((trust: ServerTrust) => DocumentFetcher) | undefined;
  /** How a pod reaches its cluster's API server; default as Kubernetes and Fulcio have it. */
  readonly cluster?: ClusterAccess | undefined;
  /** For each document of an issuer, in milliseconds; default 10 s. */
  readonly timeout?: number | undefined;
  /** Called with what an operator should know of the keys of an issuer with an issuer block of its own, whenever it happens. */
  readonly warn?: ((warning: IssuerWarning) => void) | undefined;
}

/** Connections, and how many use them. */
class SharedFetcher {
  readonly fetcher: DocumentFetcher;
  #users = 0;

  constructor(fetcher: DocumentFetcher) {
    this.fetcher = fetcher;
  }

  hold(): void {
    this.#users++;
  }

  async release(): Promise<void> {
    this.#users--;
    if (this.#users === 0) await this.fetcher.close();
  }
}

/** The connections and cached keys of one configuration, some of them shared with the one before. */
export class KeySources {
  readonly #options: KeySourcesOptions;
  readonly #fetchers = new Map<string, SharedFetcher>();
  /** By the identity of their routes. */
  readonly #exact = new Map<string, KeyProvider>();
  readonly #unknownIssuers = new Map<string, UnknownIssuerKeys>();
  readonly #waitLimit: WaitLimit;
  readonly #unknownWaitLimit: WaitLimit;
  #previous: KeySources | undefined;
  #isClosed = false;

  /** With `previous`, connections and keys are taken from there when it has them. */
  constructor(options: KeySourcesOptions, previous: KeySources | undefined) {
    this.#options = options;
    // The connections of a closed one are closed.
    const before = previous === undefined || previous.#isClosed ? undefined : previous;
    this.#previous = before;
    this.#waitLimit = before === undefined ? new WaitLimit() : before.#waitLimit;
    this.#unknownWaitLimit =
      before === undefined ? new WaitLimit(MAX_WAITING_FOR_UNKNOWN_ISSUERS, 0) : before.#unknownWaitLimit;
  }

  /** The keys of the one issuer that `route` leads to. */
  exact(route: KeyRoute): KeyProvider {
    const { identity, url, location, namedHosts, staticKeys } = route;
    const known = this.#previous === undefined ? undefined : this.#previous.#exact.get(identity);
    if (staticKeys !== undefined) return this.#remember(this.#exact, identity, known ?? staticKeys);
    const { fetch } = this.#fetcherFor(route);
    const { clock, timeout, warn } = this.#options;
    const make = (): KeyProvider =>
      new IssuerKeys({
        issuer: url,
        location,
        fetch,
        clock,
        timeout,
        waitLimit: this.#waitLimit,
        namedHosts,
        warn,
      });
    return this.#remember(this.#exact, identity, known ?? make());
  }

  /** The keys of the issuers that the pattern of `route` describes. */
  unknownIssuers(route: KeyRoute): UnknownIssuerKeys {
    const { identity } = route;
    const known = this.#previous === undefined ? undefined : this.#previous.#unknownIssuers.get(identity);
    const { fetch } = this.#fetcherFor(route);
    const { clock, timeout } = this.#options;
    const make = (): UnknownIssuerKeys =>
      new UnknownIssuerKeys({ fetch, clock, timeout, waitLimit: this.#unknownWaitLimit });
    return this.#remember(this.#unknownIssuers, identity, known ?? make());
  }

  /** To be called when all routes were asked for. Before, no connection is held, and {@link KeySources.close} closes none. */
  hold(): void {
    for (const fetcher of this.#fetchers.values()) fetcher.hold();
    this.#previous = undefined;
  }

  /** Closes the connections that no other configuration has taken over. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await Promise.all([...this.#fetchers.values()].map((fetcher) => fetcher.release()));
  }

  #remember<T>(map: Map<string, T>, identity: string, value: T): T {
    map.set(identity, value);
    return value;
  }

  /** One for each set of extra certificates: issuers that share it share connections. A cluster's has a token too, which
   * is for its own issuer alone. */
  #fetcherFor(route: KeyRoute): DocumentFetcher {
    const { caCert, isInCluster, url, location } = route;
    const name = JSON.stringify([
      caCert,
      ...(isInCluster ? [url, location?.isNamed === true ? location.url.href : undefined] : []),
    ]);
    const before = this.#previous === undefined ? undefined : this.#previous.#fetchers.get(name);
    const shared = this.#fetchers.get(name) ?? before ?? new SharedFetcher(this.#makeFetcher(route));
    return this.#remember(this.#fetchers, name, shared).fetcher;
  }

  #makeFetcher({ caCert, isInCluster, url, location }: KeyRoute): DocumentFetcher {
    const { createFetcher = createDocumentFetcher, cluster: access } = this.#options;
    return isInCluster
      ? createClusterFetcher({
          issuer: url,
          location: location?.isNamed === true ? location.url : undefined,
          caCert,
          createFetcher,
          access,
        })
      : createFetcher({ caCert });
  }
}
