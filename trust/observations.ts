/** What is odd about an entry of a trusted root, in sentences for people: not wrong for every client, and no reason to refuse the file. */
import { parseCertificate } from '../core/certificate.ts';
import { rfc3339 } from '../core/clock.ts';
import { FormatError } from '../core/errors.ts';
import { concat, equalBytes, toBase64, utf8 } from '../core/bytes.ts';
import { parsePublicKey } from '../core/public-key.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import type { TrustedAuthority, TrustedLogInstance, Window } from './format/trusted-root.ts';
import { hostOf } from './public-urls.ts';

/** Of a CA or a timestamp authority; `now` in milliseconds since the epoch. */
export function authorityObservations({ chain, window }: TrustedAuthority, now: number): readonly string[] {
  const found: string[] = windowObservations(window);
  for (const [index, der] of chain.entries()) {
    const notAfter = endOfCertificate(der);
    const place =
      index === 0
        ? 'its first certificate'
        : index === chain.length - 1
          ? 'its root'
          : 'a certificate above it';
    if (notAfter === undefined) found.push(`${place} cannot be read`);
    else if (notAfter < now) found.push(`${place} ended on ${rfc3339(notAfter)}`);
  }
  return found;
}

/** Of a log: that its id is the one by which clients look for it. */
export function logObservations(log: TrustedLogInstance, isOfArtifacts: boolean): readonly string[] {
  const expected = expectedIds(log, isOfArtifacts);
  const isKnown = expected.some((id) => equalBytes(id, log.logId));
  const [usual] = expected;
  return [
    ...windowObservations(log.window),
    ...(isKnown || usual === undefined
      ? []
      : [`key known, log id different: the id that clients look for is ${toBase64(usual)}`]),
  ];
}

function windowObservations({ start, end }: Window): string[] {
  return end !== undefined && end < start ? ['it ends before it begins: nothing of it counts'] : [];
}

/** When the first certificate of a chain ends, in milliseconds since the epoch; undefined where it cannot be read. */
export function endOfCertificate(der: Uint8Array): number | undefined {
  try {
    return parseCertificate(der).notAfter;
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

/** The ids that the log may have, the usual one first: SHA-256 of the key; of a Rekor v2 the whole key hash of its signed notes, which are named
 * by the host of its URL. */
function expectedIds(
  { publicKey, baseUrl }: TrustedLogInstance,
  isOfArtifacts: boolean,
): readonly Uint8Array[] {
  const ofKey = sha256(publicKey);
  const host = hostOf(baseUrl);
  const ed25519 = isOfArtifacts ? ed25519Of(publicKey) : undefined;
  if (ed25519 === undefined || host === undefined) return [ofKey];
  return [sha256(concat([utf8(host), Uint8Array.of(0x0a, 0x01), ed25519]))];
}

function ed25519Of(publicKey: Uint8Array): Uint8Array | undefined {
  try {
    const key = parsePublicKey(publicKey);
    return key.type === 'ed25519' ? key.key : undefined;
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}
