/**
 * The keys of issuers that one pattern describes. The sender of a token chooses which of them is asked, so that asking is
 * held within limits that an operator's own issuers do not need.
 */
import type { Clock } from '../../core/clock.ts';
import { TokenBuckets, type TokenBucket } from '../../core/token-bucket.ts';
import type { FetchDocument } from './fetch-document.ts';
import { IssuerKeys } from './issuer-keys.ts';
import { TokenError } from '../core/token-error.ts';
import type { WaitLimit } from './wait-limit.ts';

/** Budget for issuers of one pattern that were not seen before: so many at once after a quiet time. */
export const NEW_ISSUERS_BURST = 100;
/** The same in the long run, per second. */
export const NEW_ISSUERS_PER_SECOND = 10;
/** Longest document that is read, in bytes. */
const MAX_DOCUMENT = 64 * 1024;

/** What {@link UnknownIssuerKeys} needs. */
interface UnknownIssuerKeysOptions {
  readonly fetch: FetchDocument;
  readonly clock: Clock;
  /** Of each document, in milliseconds; default 10 s. */
  readonly timeout: number | undefined;
  /** Counts the tokens that wait for issuers of this kind, whatever their pattern. */
  readonly waitLimit: WaitLimit;
}

/** Makes the keys of one pattern's issuers, a limited number of them at a time. */
export class UnknownIssuerKeys {
  readonly #options: UnknownIssuerKeysOptions;
  readonly #fetches: TokenBucket;

  constructor(options: UnknownIssuerKeysOptions) {
    this.#options = options;
    const size = { burst: NEW_ISSUERS_BURST, interval: 1000 / NEW_ISSUERS_PER_SECOND };
    this.#fetches = new TokenBuckets(size, options.clock).open();
  }

  /** Keys of an issuer that is not known yet. Nothing is fetched until they are asked for. Throws {@link TokenError}
   * `ISSUER_UNREACHABLE` when there were too many such issuers lately. */
  of(issuer: string): IssuerKeys {
    if (this.#fetches.take() > 0) {
      throw new TokenError(
        'ISSUER_UNREACHABLE',
        'too many issuers that nobody has seen before are asked for',
        {
          hint: 'Try again in some seconds. An issuer of your own should have an issuer block of its own in oidc-issuers.',
        },
      );
    }
    const { fetch, clock, timeout, waitLimit } = this.#options;
    return new IssuerKeys({
      issuer,
      fetch,
      clock,
      timeout,
      waitLimit,
      // The operator named no host.
      namedHosts: new Set<string>(),
      maxDocument: MAX_DOCUMENT,
      eager: false,
    });
  }
}
