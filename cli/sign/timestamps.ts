/** Timestamps over a signature, each verified before it goes into a bundle. */
import { createHash } from 'node:crypto';
import { rfc3339 } from '../../core/clock.ts';
import type { TrustedRoot } from '../../trust/format/trusted-root.ts';
import { verifyTimestamp } from '../../verify/timestamp.ts';
import { CommandError } from '../program/command.ts';
import { platformCrypto } from '../verify/platform-crypto.ts';
import { requestTimestamp } from './request-timestamp.ts';

/** A timestamp that was verified. */
export interface SignedTimestamp {
  /** DER, as the authority answered. */
  readonly answer: Uint8Array;
  /** Milliseconds since the epoch. */
  readonly time: number;
}

/** What the timestamps must agree with. */
interface TimestampWish {
  readonly authorities: readonly URL[];
  readonly trustedRoot: TrustedRoot;
  /** Milliseconds since the epoch: when the certificate is valid. */
  readonly validity: { readonly notBefore: number; readonly notAfter: number };
}

/** A timestamp of each authority over `signature`, in their order. Rejects with {@link CommandError} where there is none, or one that no verifier would take. */
export async function timestampsOver(
  signature: Uint8Array,
  wish: TimestampWish,
): Promise<readonly SignedTimestamp[]> {
  return await Promise.all(wish.authorities.map((url) => timestampOf(url, signature, wish)));
}

async function timestampOf(
  url: URL,
  signature: Uint8Array,
  { trustedRoot, validity }: TimestampWish,
): Promise<SignedTimestamp> {
  const { answer, nonce } = await requestTimestamp(url, signature);
  const { time, steps, fault } = await verifyTimestamp({
    timestamp: answer,
    digestOf: (hash) => createHash(hash).update(signature).digest(),
    authorities: trustedRoot.timestampAuthorities,
    nonce,
    crypto: platformCrypto,
  });
  if (time === undefined)
    throw unusable(
      url,
      steps
        .filter(({ ok }) => !ok)
        .map(({ name, detail }) => `${name}: ${detail}`)
        .join('; '),
      fault === 'trust' ? STALE : USELESS,
    );
  const { notBefore, notAfter } = validity;
  if (time < notBefore || time > notAfter)
    throw unusable(
      url,
      `it says ${rfc3339(time)}, and the certificate is valid from ${rfc3339(notBefore)} to ${rfc3339(notAfter)}`,
      CLOCKS,
    );
  return { answer, time };
}

const USELESS = 'Nothing was written: no verifier would take it.';
const STALE = 'Nothing was written. Is the trusted root that of this timestamp authority, and the newest?';
const CLOCKS = 'Nothing was written. The clocks of the CA and of the timestamp authority differ.';

const unusable = (url: URL, why: string, hint: string): CommandError =>
  new CommandError('FAILED', `the timestamp of ${url.origin} does not hold: ${why}`, { hint });
