import type { RateLimit } from '../../policy/issuer-policy-definition.ts';
import type { RateLimitValues } from '../schema/issuer-schema.ts';

/** The limits of an issuer block; undefined: none. */
export interface RateLimits {
  /** For all tokens of the issuer block together. */
  readonly issuer?: RateLimit | undefined;
  readonly principal?: RateLimit | undefined;
}

/** What holds where a file says nothing: nobody signs more often than ten times a second for long. */
export const DEFAULT_RATE_LIMITS: RateLimits = { principal: { perMinute: 600, burst: 600 } };

/** The limits that a file sets, and `fallback` for those of which it says nothing. */
export function rateLimitsOf(values: RateLimitValues | undefined, fallback: RateLimits): RateLimits {
  if (values === 'off') return {};
  return {
    issuer: limitOf(values?.issuer, fallback.issuer),
    principal: limitOf(values?.principal, fallback.principal),
  };
}

type Bucket = Exclude<RateLimitValues, 'off'>['issuer'];

function limitOf(bucket: Bucket, fallback: RateLimit | undefined): RateLimit | undefined {
  if (bucket === undefined) return fallback;
  if (bucket === 'off') return undefined;
  return { perMinute: bucket['per-minute'], burst: bucket.burst ?? bucket['per-minute'] };
}
