import type { Clock } from '../core/clock.ts';
import { AudienceChoice } from './audience-choice.ts';
import { DefinitionError } from './core/definition-error.ts';
import type { IssuerDefinition } from './core/issuer-definition.ts';
import { compileIssuerBlocks } from './issuer-block.ts';
import type { IssuerBlock } from './issuer-block.ts';
import { compileIssuerPattern } from './issuer-pattern.ts';
import { keyRoute } from './keys/key-route.ts';
import type { KeyRoute } from './keys/key-route.ts';
import { KeySources } from './keys/key-sources.ts';
import type { KeySourcesOptions } from './keys/key-sources.ts';
import { CLUSTER_ISSUERS, isAskedInCluster } from './keys/kubernetes-cluster.ts';
import { MetaIssuers } from './meta-issuers.ts';
import type { MetaIssuer } from './meta-issuers.ts';
import type { TokenPolicy } from './verify-token.ts';

/** An issuer with all its issuer blocks. */
export interface Issuer extends TokenPolicy<IssuerBlock> {
  /** The definitions of its blocks, in the order of the configuration. */
  readonly definitions: readonly IssuerDefinition[];
  /** The document that is asked for first; undefined where none is. */
  readonly firstDocument: URL | undefined;
  /** Called when a token of this issuer was accepted; undefined where that changes nothing. */
  readonly accepted: (() => void) | undefined;
}

/** What an {@link IssuerPool} needs beside the definitions. */
export type IssuerPoolOptions = KeySourcesOptions;

/** The issuers by their URL: those with an issuer block of their own, then those that a pattern describes. The time to find
 * one of the first kind does not depend on their number. */
export class IssuerPool {
  readonly #issuers = new Map<string, Issuer>();
  #exact: readonly Issuer[] = [];
  #metas: MetaIssuers;
  readonly #sources: KeySources;
  readonly #clock: Clock;
  /** Until this one is filled. */
  #previous: IssuerPool | undefined;

  /**
   * An empty pool, to be filled by {@link IssuerPool.fill}.
   *
   * With `previous`, a pool of the same service, keys and connections of issuers that are fetched in the same way are taken
   * over, so that no keys are fetched again because a rule changed. `previous` still works until it is closed.
   */
  constructor(options: IssuerPoolOptions, previous?: IssuerPool) {
    this.#clock = options.clock;
    this.#sources = new KeySources(options, previous === undefined ? undefined : previous.#sources);
    this.#previous = previous;
    this.#metas = new MetaIssuers([], undefined);
  }

  /** A pool of `definitions`, made at once. Throws {@link DefinitionError}. */
  static of(definitions: readonly IssuerDefinition[], options: IssuerPoolOptions): IssuerPool {
    const pool = new IssuerPool(options);
    const steps = pool.fill(definitions);
    while (steps.next().done !== true);
    return pool;
  }

  /** Adds the definitions, all of them at once, in steps between which other work may be done. Throws
   * {@link DefinitionError}; then nothing has to be closed, and the previous pool is as it was. */
  *fill(definitions: readonly IssuerDefinition[]): Generator<void> {
    for (const group of byUrl(definitions.filter(({ isMeta }) => !isMeta))) {
      this.#addExact(group);
      yield;
    }
    this.#exact = [...this.#issuers.values()];
    const metas: MetaIssuer[] = [];
    for (const group of byUrl(definitions.filter(({ isMeta }) => isMeta))) {
      metas.push(this.#metaOf(group));
      yield;
    }
    this.#metas = new MetaIssuers(metas, this.#previous === undefined ? undefined : this.#previous.#metas);
    this.#previous = undefined;
    for (const url of CLUSTER_ISSUERS) this.#addCluster(url);
    this.#sources.hold();
  }

  /** The issuer of that very URL. Throws {@link TokenError} `ISSUER_UNREACHABLE` for one that only a pattern describes
   * when there are too many of that sort. */
  find(url: string): Issuer | undefined {
    return this.#issuers.get(url) ?? this.#metas.find(url);
  }

  /** The issuer blocks of the issuer of that URL, for a token whose signature needs no keys any more. */
  issuerBlocksFor(url: string): AudienceChoice<IssuerBlock> | undefined {
    return (this.#issuers.get(url) ?? this.#metas.match(url))?.issuerBlocks;
  }

  /** Those with an issuer block of their own, in the order of their definitions. */
  exact(): readonly Issuer[] {
    return this.#exact;
  }

  /** Closes the connections, except those that a later pool has taken over. */
  async close(): Promise<void> {
    await this.#sources.close();
  }

  #addExact(definitions: readonly IssuerDefinition[]): void {
    const url = definitions[0]?.url ?? '';
    checkUrl(url);
    const isInCluster = definitions.some((definition) => isAskedInCluster(definition, url, true));
    const issuerBlocks = new AudienceChoice(compileIssuerBlocks(definitions));
    const route = keyRoute(definitions, { url, isMeta: false, isInCluster });
    this.#add({ url, definitions, issuerBlocks, clock: this.#clock }, route);
  }

  #metaOf(definitions: readonly IssuerDefinition[]): MetaIssuer {
    const pattern = compileIssuerPattern(definitions[0]?.url ?? '');
    const issuerBlocks = new AudienceChoice(compileIssuerBlocks(definitions));
    const route = keyRoute(definitions, { url: pattern.text, isMeta: true, isInCluster: false });
    return {
      pattern,
      definitions,
      issuerBlocks,
      keys: this.#sources.unknownIssuers(route),
      clock: this.#clock,
    };
  }

  /** A URL behind a pattern that no untrusted caller made up: the cluster is asked as an issuer with a block of its own is,
   * but not before a token names it. */
  #addCluster(url: string): void {
    const meta = this.#issuers.has(url) ? undefined : this.#metas.match(url);
    if (meta === undefined) return;
    const { definitions, issuerBlocks, clock } = meta;
    if (!definitions.some((definition) => isAskedInCluster(definition, url, false))) return;
    const route = keyRoute(definitions, { url, isMeta: false, isInCluster: true });
    this.#add({ url, definitions, issuerBlocks, clock }, route);
  }

  #add(issuer: Pick<Issuer, 'url' | 'definitions' | 'issuerBlocks' | 'clock'>, route: KeyRoute): void {
    const keys = this.#sources.exact(route);
    const asked = route.staticKeys === undefined ? route.location?.url : undefined;
    this.#issuers.set(issuer.url, { ...issuer, keys, firstDocument: asked, accepted: undefined });
  }
}

const byUrl = (definitions: readonly IssuerDefinition[]): IssuerDefinition[][] => [
  ...Map.groupBy(definitions, ({ url }) => url).values(),
];

function checkUrl(text: string): void {
  const url = URL.parse(text);
  const usable = url !== null && ['https:', 'http:'].includes(url.protocol);
  if (usable && url.username === '' && url.password === '' && !/[?#\s]/.test(text)) return;
  throw new DefinitionError('FIELD_INVALID', `"${text}" is not the URL of an issuer`, {
    hint: 'It is the "iss" of the tokens: https://host/path without user, query and fragment.',
    metadata: { issuer: text, field: 'issuer-url' },
  });
}
