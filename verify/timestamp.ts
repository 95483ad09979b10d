/**
 * Verifies a timestamp (RFC 3161) offline: that a trusted authority signed, at the time that it says, that it had seen the digest of these bytes. It says
 * nothing of what the bytes are, or of who made them: beside a signature it shows when the signature was there, and never that it is good.
 */
import { equalBytes, toHex } from '../core/bytes.ts';
import type { Certificate } from '../core/certificate.ts';
import { rfc3339 } from '../core/clock.ts';
import { FormatError } from '../core/errors.ts';
import type { TrustedAuthority } from '../trust/format/trusted-root.ts';
import type { ImprintHash } from '../tsa/format/object-identifiers.ts';
import { parseTimestamp, type TimestampToken } from '../tsa/format/timestamp-token.ts';
import type { TimestampCrypto } from './crypto.ts';
import { requireNotAhead } from './present.ts';
import { nameText } from './read-once.ts';
import { faultOf, StepRecorder, type SkippedStep, type Step } from './step.ts';
import {
  candidatesFor,
  isNamedByTrust,
  checkAuthorityOf,
  checkTimestampChain,
  checkTokenSignature,
  meantCandidates,
  readEmbedded,
  unknownSigner,
  type ChainRequest,
  type JudgedCandidate,
} from './timestamp-signer.ts';
import { TimestampTrust } from './timestamp-trust.ts';
import { refused, type Fault } from './verify-error.ts';

/** The checks, in the order in which they are made. */
export const TIMESTAMP_STEPS = [
  ...(['token', 'imprint', 'authority', 'chain', 'signature', 'time', 'nonce', 'policy'] as const),
] as const;

/** One of the checks. */
export type TimestampStep = (typeof TIMESTAMP_STEPS)[number];

/** What to verify, and against what. */
export interface TimestampVerifyRequest {
  /** DER: a whole answer of an authority, or the token in it. */
  readonly timestamp: Uint8Array;
  /** The digest of what must have been timestamped; undefined where it is not known by that hash. */
  readonly digestOf: (hash: ImprintHash) => Uint8Array | undefined | Promise<Uint8Array | undefined>;
  /** Whom to believe; what of them cannot be used is not believed, and is named where none is found. */
  readonly authorities: readonly TrustedAuthority[] | TimestampTrust;
  /** The number that the request had, unsigned big-endian; not looked at without it. */
  readonly nonce?: Uint8Array | undefined;
  /** Dotted object identifier of the policy under which it must have been made; any without it. */
  readonly policy?: string | undefined;
  /** Milliseconds since the epoch: the verifier's clock. A time more than five minutes ahead of it is refused; without it none is. */
  readonly clock?: number | undefined;
  readonly crypto: TimestampCrypto;
}

/** The answer. */
export interface TimestampVerification {
  /** Whether every step passed. */
  readonly ok: boolean;
  /** With whom the fault lies; `certificate` means the timestamp and what came with it. */
  readonly fault: Fault | undefined;
  /** In the order in which they were taken. */
  readonly steps: readonly Step<TimestampStep>[];
  readonly skipped: readonly SkippedStep<TimestampStep>[];
  /** Milliseconds since the epoch: when the bytes were there. Undefined unless every step passed. */
  readonly time: number | undefined;
  /** The chain of who signed, DER, its certificate first, root last; undefined unless every step passed. */
  readonly chain: readonly Uint8Array[] | undefined;
  /** Whether it is, by its own word, by an authority that is trusted at some time: what is then wrong with it is not that nobody knows its author. */
  readonly isKnown: boolean;
  /** Whether it is of a kind that is not known here, so that nothing of it was verified. */
  readonly isUnsupported: boolean;
}

/** Verifies a timestamp. Answers with failed steps whatever the timestamp holds. */
export async function verifyTimestamp(request: TimestampVerifyRequest): Promise<TimestampVerification> {
  const record = new StepRecorder<TimestampStep>();
  const { timestamp, authorities } = request;
  const trust = authorities instanceof TimestampTrust ? authorities : new TimestampTrust(authorities);
  const read = await record.run('token', () => readToken(timestamp, trust));
  if (read === undefined) {
    record.skip('token', 'imprint', 'authority', 'chain', 'signature', ...askedSteps(request));
    const isUnsupported = isOfUnknownKind(timestamp, trust);
    return { ...conclude(record, undefined, { chain: undefined, isKnown: false }), isUnsupported };
  }
  await record.run('imprint', async () => [await checkImprint(read.token, request), undefined]);
  const signer = await checkSigner(record, read, trust, request.crypto);
  if (record.failed === undefined) await checkAsked(record, read.token, request);
  else record.skip(record.failed, ...askedSteps(request));
  return conclude(record, read.token, signer);
}

function conclude(
  { steps, skipped }: StepRecorder<TimestampStep>,
  token: TimestampToken | undefined,
  { chain, isKnown }: FoundSigner,
): TimestampVerification {
  const ok = steps.every((step) => step.ok);
  const fault = faultOf(steps);
  const time = ok ? token?.info.time : undefined;
  const ders = ok ? chain?.map(({ der }) => der) : undefined;
  return { ok, fault, steps, skipped, time, chain: ders, isKnown, isUnsupported: false };
}

function isOfUnknownKind(timestamp: Uint8Array, trust: TimestampTrust): boolean {
  try {
    readToken(timestamp, trust);
    return false;
  } catch (error) {
    return error instanceof FormatError && error.code === 'UNSUPPORTED';
  }
}

const askedSteps = ({ nonce, policy, clock }: TimestampVerifyRequest): readonly TimestampStep[] => [
  ...(clock === undefined ? [] : (['time'] as const)),
  ...(nonce === undefined ? [] : (['nonce'] as const)),
  ...(policy === undefined ? [] : (['policy'] as const)),
];

interface ReadToken {
  readonly token: TimestampToken;
  readonly embedded: readonly Certificate[];
}

function readToken(der: Uint8Array, trust: TimestampTrust): readonly [string, ReadToken] {
  const token = parseTimestamp(der);
  const { time, policy, imprint, serial } = token.info;
  const says = `${rfc3339(time)}, ${imprint.hash}, policy ${policy}, serial number ${toHex(serial)}`;
  return [says, { token, embedded: readEmbedded(token, trust) }];
}

async function checkImprint({ info }: TimestampToken, { digestOf }: TimestampVerifyRequest): Promise<string> {
  const { hash, digest } = info.imprint;
  const expected = await digestOf(hash);
  if (expected === undefined)
    throw refused(`the timestamp is over a ${hash} digest, and that of the bytes is not known`, 'policy');
  if (!equalBytes(expected, digest)) throw refused('the timestamp is over other bytes');
  return `over the ${hash} digest of these bytes`;
}

interface FoundSigner {
  /** Only if all of it is right. */
  readonly chain: readonly Certificate[] | undefined;
  readonly isKnown: boolean;
}

/** Tries all that the token means. Where none will do, the one that led furthest says why. */
async function checkSigner(
  record: StepRecorder<TimestampStep>,
  read: ReadToken,
  trust: TimestampTrust,
  crypto: TimestampCrypto,
): Promise<FoundSigner> {
  const tries: Try[] = [];
  const candidates = candidatesFor(read.token, read.embedded, trust);
  for (const candidate of await meantCandidates(candidates, read.token, crypto)) {
    tries.push(await tryCandidate(candidate, read.token, { embedded: read.embedded, trust, crypto }));
    if (tries.at(-1)?.chain !== undefined) break;
  }
  const best = tries.reduce<Try | undefined>(
    (found, one) => (found === undefined || reach(one) > reach(found) ? one : found),
    undefined,
  );
  if (best === undefined) {
    await record.run('authority', () => refuseUnknown(read, trust, crypto));
    record.skip('authority', 'chain', 'signature');
    return { chain: undefined, isKnown: false };
  }
  record.steps.push(...best.record.steps);
  record.skipped.push(...best.record.skipped);
  return { chain: best.chain, isKnown: best.chain !== undefined || candidates.some(isNamedByTrust) };
}

interface Try {
  readonly record: StepRecorder<TimestampStep>;
  /** Only if all of it passed. */
  readonly chain: readonly Certificate[] | undefined;
}

const reach = ({ record }: Try): number => record.steps.filter(({ ok }) => ok).length;

async function tryCandidate(
  candidate: JudgedCandidate,
  token: TimestampToken,
  request: ChainRequest,
): Promise<Try> {
  const { embedded, trust, crypto } = request;
  const record = new StepRecorder<TimestampStep>();
  const isTrusted = await record.run('authority', () => [
    checkAuthorityOf(candidate, token, embedded, trust),
    true,
  ]);
  if (isTrusted === undefined) {
    record.skip('authority', 'chain', 'signature');
    return { record, chain: undefined };
  }
  const path = await record.run('chain', async () => {
    const found = await checkTimestampChain(candidate, token, request);
    const names = found.map(({ subject }) => `"${nameText(subject)}"`).join(' under ');
    return [`issued by ${names}, all valid at ${rfc3339(token.info.time)}`, found];
  });
  await record.run('signature', async () => {
    await checkTokenSignature(candidate, token, crypto);
    return ['signed by that authority, over this timestamp', undefined];
  });
  const isGood = record.failed === undefined && path !== undefined;
  return { record, chain: isGood ? [candidate.certificate, ...path] : undefined };
}

function refuseUnknown(
  { token, embedded }: ReadToken,
  trust: TimestampTrust,
  crypto: TimestampCrypto,
): never {
  const { unusable } = trust;
  throw refused([unknownSigner(token, embedded, trust, crypto), ...unusable].join('; '), 'trust');
}

async function checkAsked(
  record: StepRecorder<TimestampStep>,
  { info }: TimestampToken,
  { nonce, policy, clock }: TimestampVerifyRequest,
): Promise<void> {
  if (clock !== undefined)
    await record.run('time', () => {
      requireNotAhead(info.time, clock, 'the timestamp');
      return [`${rfc3339(info.time)}, which has been`, undefined];
    });
  if (nonce !== undefined)
    await record.run('nonce', () => {
      if (info.nonce === undefined) throw refused('the timestamp has no nonce', 'policy');
      if (!isNumber(info.nonce, nonce))
        throw refused('the timestamp has another nonce: it is the answer to another request', 'policy');
      return ['the one that was asked with', undefined];
    });
  if (policy !== undefined)
    await record.run('policy', () => {
      if (info.policy !== policy)
        throw refused(`the timestamp was made under the policy ${info.policy}, not ${policy}`, 'policy');
      return [policy, undefined];
    });
}

/** Whether the content of an INTEGER is that unsigned number; a negative one is none. */
/** Whether the content of an INTEGER is that number, which is not negative. */
export const isNumber = (content: Uint8Array, number: Uint8Array): boolean =>
  (content[0] ?? 0x80) < 0x80 && equalBytes(withoutZeros(content), withoutZeros(number));

function withoutZeros(number: Uint8Array): Uint8Array {
  const at = number.findIndex((byte) => byte !== 0);
  return at < 0 ? new Uint8Array() : number.subarray(at);
}
