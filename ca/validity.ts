import { Tag } from '../core/der-tag.ts';
import { rfc3339 } from '../core/clock.ts';
import { RequestError } from './request-error.ts';

/** First and last second of validity, in milliseconds since the epoch. */
export interface Validity {
  readonly notBefore: number;
  readonly notAfter: number;
}

/**
 * The validity of a leaf made at `now`: from this second, without backdating, for `lifetimeSeconds`, but never past
 * `within`, which every CA certificate of the chain is valid for; in the last minutes of a CA leaves get shorter.
 * Throws {@link RequestError} `AUTHORITY_EXPIRED` when nothing is left, `AUTHORITY_NOT_YET_VALID` before the start.
 */
export function leafValidity(now: number, lifetimeSeconds: number, within: Validity): Validity {
  const notBefore = Math.floor(now / 1000) * 1000;
  if (notBefore < within.notBefore) {
    throw new RequestError(
      'AUTHORITY_NOT_YET_VALID',
      `the CA certificates are valid only from ${rfc3339(within.notBefore)}`,
      { hint: "Check the server's clock." },
    );
  }
  const notAfter = Math.min(notBefore + lifetimeSeconds * 1000, within.notAfter);
  if (notAfter <= notBefore) {
    throw new RequestError(
      'AUTHORITY_EXPIRED',
      `a CA certificate expired at ${rfc3339(within.notAfter)}, so nothing can be issued`,
      { hint: 'The operator must install a renewed CA chain.' },
    );
  }
  return { notBefore, notAfter };
}

/** DER Time of a whole second: UTCTime until 2049, GeneralizedTime from 2050 on (RFC 5280 §4.1.2.5). */
export function encodeTime(ms: number): Uint8Array {
  const time = new Date(ms);
  const year = time.getUTCFullYear();
  const utc = year < 2050;
  const parts = [time.getUTCMonth() + 1, time.getUTCDate(), time.getUTCHours(), time.getUTCMinutes()];
  const digits = [...(utc ? [] : [Math.floor(year / 100)]), year % 100, ...parts, time.getUTCSeconds()];
  const out = new Uint8Array(3 + 2 * digits.length);
  out[0] = utc ? Tag.utcTime : Tag.generalizedTime;
  out[1] = out.length - 2;
  digits.forEach((pair, i) => {
    out[2 + 2 * i] = 0x30 + Math.floor(pair / 10);
    out[3 + 2 * i] = 0x30 + (pair % 10);
  });
  out[out.length - 1] = 0x5a; // Z
  return out;
}
