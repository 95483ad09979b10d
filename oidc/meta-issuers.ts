/**
 * Issuers that a pattern describes. Untrusted callers choose their URLs, so that nothing here may grow with the URLs that
 * they make up. A URL is a candidate until a token was verified with its keys, and candidates evict only candidates.
 */
import { LRUCache } from 'lru-cache';
import type { KeyProvider } from './keys/issuer-keys.ts';
import type { Issuer } from './issuer-pool.ts';
import { isPlainUrl, MAX_PATTERN_LENGTH } from './issuer-pattern.ts';
import type { IssuerPattern } from './issuer-pattern.ts';
import type { UnknownIssuerKeys } from './keys/unknown-issuer-keys.ts';

/** Most URLs of which no token was verified yet. */
export const MAX_CANDIDATES = 256;
/** Most URLs whose keys have verified a token. */
const MAX_LIVE = 2048;

/** All issuer blocks of one pattern. */
export interface MetaIssuer extends Pick<Issuer, 'definitions' | 'issuerBlocks' | 'clock'> {
  readonly pattern: IssuerPattern;
  readonly keys: UnknownIssuerKeys;
}

/** A URL that fits a pattern. */
interface Concrete {
  readonly meta: MetaIssuer;
  readonly issuer: Issuer;
}

/** The patterns, and the issuers that tokens have named, within limits. */
export class MetaIssuers {
  readonly #metas: readonly MetaIssuer[];
  readonly #live = new LRUCache<string, Concrete>({ max: MAX_LIVE });
  readonly #candidates = new LRUCache<string, Concrete>({ max: MAX_CANDIDATES });

  /** No two of the same pattern. The order does not matter. With `previous`, the keys of its live issuers are taken over
   * where they come from the same {@link UnknownIssuerKeys}. */
  constructor(metas: readonly MetaIssuer[], previous: MetaIssuers | undefined) {
    this.#metas = metas.toSorted(byWeight);
    if (previous !== undefined) this.#takeOver(previous);
  }

  /** The issuer of that URL, by the pattern of the most literal characters that fits; of several with as many, by the one
   * that sorts first. Throws {@link TokenError} `ISSUER_UNREACHABLE` when too many new ones are asked for. */
  find(url: string): Issuer | undefined {
    const known = this.#live.get(url) ?? this.#candidates.get(url);
    if (known !== undefined) return known.issuer;
    const meta = this.match(url);
    if (meta === undefined) return undefined;
    const issuer = concrete(url, meta, meta.keys.of(url), () => {
      this.#candidates.delete(url);
      this.#keep(url, meta, issuer.keys);
    });
    this.#candidates.set(url, { meta, issuer });
    return issuer;
  }

  /** The pattern that counts for a URL. */
  match(url: string): MetaIssuer | undefined {
    if (url.length > MAX_PATTERN_LENGTH) return undefined;
    const meta = this.#metas.find(({ pattern }) => pattern.matches(url));
    return meta !== undefined && isPlainUrl(url) ? meta : undefined;
  }

  #keep(url: string, meta: MetaIssuer, keys: KeyProvider): void {
    this.#live.set(url, { meta, issuer: concrete(url, meta, keys, undefined) });
  }

  #takeOver(previous: MetaIssuers): void {
    const byText = new Map(this.#metas.map((meta) => [meta.pattern.text, meta]));
    // With the same patterns, each URL has the same one as before.
    const isSame =
      previous.#metas.length === byText.size &&
      previous.#metas.every((meta) => byText.has(meta.pattern.text));
    // The last used last, so that it stays longest.
    for (const [url, { meta: before, issuer }] of [...previous.#live.entries()].reverse()) {
      const meta = isSame ? byText.get(before.pattern.text) : this.match(url);
      if (meta?.keys === before.keys) this.#keep(url, meta, issuer.keys);
    }
  }
}

function concrete(
  url: string,
  { definitions, issuerBlocks, clock }: MetaIssuer,
  keys: KeyProvider,
  accepted: (() => void) | undefined,
): Issuer {
  return { url, definitions, issuerBlocks, keys, clock, firstDocument: undefined, accepted };
}

function byWeight({ pattern: a }: MetaIssuer, { pattern: b }: MetaIssuer): number {
  if (a.literals !== b.literals) return b.literals - a.literals;
  return a.text < b.text ? -1 : 1;
}
