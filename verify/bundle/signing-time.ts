/** When a bundle's signature was made, by the word of others than its signer: timestamp authorities and artifact logs. */
import { toHex } from '../../core/bytes.ts';
import { rfc3339 } from '../../core/clock.ts';
import type { Bundle } from '../../bundle/format/bundle.ts';
import { apiOfKind } from '../../rekor/format/entry-body.ts';
import type { LoggedSignature } from '../../rekor/format/logged-signature.ts';
import type { WitnessPolicy } from '../../tlog/format/witness-policy.ts';
import { requireNotAhead } from '../present.ts';
import { certificateOf, keyName, nameText } from '../read-once.ts';
import type { StepRecorder } from '../step.ts';
import { verifyTimestamp, type TimestampVerification } from '../timestamp.ts';
import type { VerifyError } from '../verify-error.ts';
import { refused, type Fault } from '../verify-error.ts';
import type { BundleStep } from './bundle-step.ts';
import type { SourceTrust } from './bundle-trust.ts';
import { requireLogAt, verifyEntries, type KnownEntry } from './log-entry.ts';

/** A time that a trusted source signed. */
export interface SigningTime {
  readonly source: 'timestamp' | 'entry';
  /** Of the authority's certificate, or of the log. */
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
}

/** What a source was not counted for. */
export interface Uncounted {
  readonly source: SigningTime['source'];
  readonly reason: string;
  readonly fault: Fault;
}

/** How many sources there must be. What could be of one hand counts once: logs of one key, and authorities of one key, or whose certificates were issued by CAs of
 * one name or one key. */
export interface Thresholds {
  /** By default 1 where the trusted root names an artifact log, even one that cannot be used, else 0. */
  readonly entries?: number | undefined;
  /** 0 by default. */
  readonly timestamps?: number | undefined;
  /** Of the certificate, 0 or 1: by default 1 where the trust names a log of certificates, even one that cannot be used, else 0. One that is there is verified whatever is demanded. */
  readonly scts?: number | undefined;
}

/** What was found of both kinds. */
interface Sources {
  readonly times: SigningTime[];
  readonly uncounted: Uncounted[];
  readonly entries: KnownEntry[];
  /** Of each authority that counts: what others of the same hand share with it. */
  readonly authorities: (readonly string[])[];
}

/** What is known of when the signature was made. */
export interface FoundTimes {
  /** Each of an entry or a timestamp all of which holds. */
  readonly times: readonly SigningTime[];
  /** The times at which the signer is judged, in order and each once; undefined when they could not be found. */
  readonly at: readonly number[] | undefined;
  /** The step for want of which they were not looked for. */
  readonly needs: BundleStep | undefined;
}

/** What signing times must satisfy. */
export interface TimePolicy {
  readonly thresholds: Thresholds;
  /** Milliseconds since the epoch: where no source has a time, the one at which the signer is judged. */
  readonly now: number | undefined;
  /** Milliseconds since the epoch: the verifier's own, which no time may be well ahead of. */
  readonly clock: number;
  /** What failed already that times need. */
  readonly needs: BundleStep | undefined;
  /** Whether an entry needs an inclusion proof also where the version of the bundle lets it do without. */
  readonly requireInclusion: boolean;
  /** Who has to have cosigned the checkpoint of each entry; undefined: nobody. */
  readonly witnesses: WitnessPolicy | undefined;
}

/** Verifies all entries and timestamps; those of logs and authorities that nobody trusts do not count, and are named. `logged` is what the entries must be
 * about, if that could be found out. */
export async function findTimes(
  record: StepRecorder<BundleStep>,
  bundle: Bundle,
  logged: LoggedSignature | undefined,
  trust: SourceTrust,
  policy: TimePolicy,
): Promise<FoundTimes> {
  const sources: Sources = { times: [], uncounted: [], entries: [], authorities: [] };
  if (bundle.entries.length > 0 || policy.witnesses !== undefined)
    await observeEntries(record, bundle, logged, { trust, sources }, policy);
  if (bundle.timestamps.length > 0) await observeTimestamps(record, bundle, { trust, sources });
  const { times } = sources;
  const failed = record.steps.find(({ name, ok }) => !ok && OBSERVED_STEPS.includes(name))?.name;
  const needs = policy.needs ?? failed;
  if (needs !== undefined) return { times, at: undefined, needs };
  const at = await record.run('time', () => {
    for (const { source, name, time } of times)
      requireNotAhead(
        time,
        policy.clock,
        source === 'entry' ? `the log ${name}` : `the timestamp of "${name}"`,
      );
    const judged = requireTimes(sources, trust, policy.thresholds, policy.now);
    return [`${times.length === 0 ? 'the present, ' : ''}${judged.map(rfc3339).join(' and ')}`, judged];
  });
  return { times, at, needs };
}

const OBSERVED_STEPS: readonly BundleStep[] = [
  ...(['entry', 'entry-promise', 'entry-proof', 'witnesses', 'timestamp'] as const),
];

interface Observation {
  readonly trust: SourceTrust;
  readonly sources: Sources;
}

async function observeEntries(
  record: StepRecorder<BundleStep>,
  bundle: Bundle,
  logged: LoggedSignature | undefined,
  { trust, sources }: Observation,
  { requireInclusion, witnesses }: Pick<TimePolicy, 'requireInclusion' | 'witnesses'>,
): Promise<void> {
  if (logged === undefined) {
    if (bundle.entries.length > 0) record.skip('signature', 'entry', 'entry-promise', 'entry-proof');
    if (witnesses !== undefined) record.skip('signature', 'witnesses');
    return;
  }
  const known = bundle.entries
    .map((entry) => findLog(entry, trust, sources))
    .filter((entry) => entry !== undefined);
  const notes = notesOf(sources, 'entry');
  const isOld = bundle.version === '0.1';
  const { crypto } = trust;
  const check = { logged, isOld, requireInclusion, witnesses, notes, crypto };
  const verified = await verifyEntries(record, known, check);
  for (const one of verified ?? []) {
    const { time, log } = one;
    sources.entries.push(one);
    if (time !== undefined) sources.times.push({ source: 'entry', name: log.name, time });
  }
}

/** The log of an entry; undefined where it does not count because nobody knows its log or its kind: nothing of it is verified. */
function findLog(
  entry: Bundle['entries'][number],
  { logs, crypto }: SourceTrust,
  { uncounted }: Sources,
): KnownEntry | undefined {
  const { kind, version, logId } = entry;
  const api = apiOfKind(kind, version);
  const log = api && logs.find(api, logId);
  if (api !== undefined && log !== undefined) return { entry, api, log };
  const named = api === undefined ? (logs.find(1, logId) ?? logs.find(2, logId)) : undefined;
  if (named !== undefined) {
    const reason = `the entry in the log ${named.name} is of a kind that is not known here`;
    uncounted.push({ source: 'entry', reason, fault: 'certificate' });
    return undefined;
  }
  const { message, fault } = logs.unknown(logId, crypto.sha256);
  uncounted.push({ source: 'entry', reason: message, fault });
  return undefined;
}

async function observeTimestamps(
  record: StepRecorder<BundleStep>,
  bundle: Bundle,
  { trust, sources }: Observation,
): Promise<void> {
  const { crypto, timestamps } = trust;
  const signature =
    bundle.content.type === 'envelope' ? bundle.content.envelope.signature : bundle.content.signature;
  await record.run('timestamp', async () => {
    for (const timestamp of bundle.timestamps) {
      const digestOf = (hash: 'sha256' | 'sha384' | 'sha512'): Uint8Array | Promise<Uint8Array> =>
        crypto.digest(hash, signature);
      count(await verifyTimestamp({ timestamp, digestOf, authorities: timestamps, crypto }), sources);
    }
    const counted = sources.times
      .filter(({ source }) => source === 'timestamp')
      .map(({ name, time }) => `${rfc3339(time)} by "${name}"`);
    return [[...counted, ...notesOf(sources, 'timestamp')].join('; '), undefined];
  });
}

/** Takes a timestamp's time, or throws a refusal: what is wrong with one of an authority that is trusted is wrong with the bundle, and what is malformed is so by whomever
 * it is. */
function count(
  { steps, time, chain, isKnown, isUnsupported }: TimestampVerification,
  { times, uncounted, authorities }: Sources,
): void {
  const failed = steps.find(({ ok }) => !ok);
  const [certificate, issuer] = (chain ?? []).slice(0, 2).map(certificateOf);
  if (failed === undefined && time !== undefined && certificate !== undefined) {
    const ca = issuer ?? certificate;
    authorities.push([`key ${keyName(certificate)}`, `CA ${toHex(ca.subject)}`, `CA key ${keyName(ca)}`]);
    times.push({ source: 'timestamp', name: nameText(certificate.subject), time });
    return;
  }
  const { name = 'token', detail = '', fault = 'certificate' } = failed ?? {};
  if (isKnown || (name === 'token' && !isUnsupported)) throw refused(detail, fault);
  uncounted.push({ source: 'timestamp', reason: detail, fault });
}

const notesOf = ({ uncounted }: Sources, source: SigningTime['source']): readonly string[] =>
  uncounted.filter((one) => one.source === source).map(({ reason }) => `not counted: ${reason}`);

/** The times at which the signer is judged, in order and each once. Throws a refusal when there are too few sources, or none with a time: then it is
 * `now`, milliseconds since the epoch, if that was asked for. */
function requireTimes(
  sources: Sources,
  trust: SourceTrust,
  thresholds: Thresholds,
  now: number | undefined,
): readonly number[] {
  const { times, entries, authorities } = sources;
  const { logs } = trust;
  const { entries: least = logs.isNamed ? 1 : 0, timestamps: leastTimestamps = 0 } = thresholds;
  const found = countHands(entries.map(({ log }) => [toHex(log.publicKey)]));
  const { unusable } = logs;
  const isAsked = thresholds.entries !== undefined;
  // What is older than every log is no worse than what was signed then; whether it will do is for those to say who verify.
  if (least === 1 && !isAsked && unusable.length === 0 && isOlder(sources, logs.since))
    throw refused(
      `the signature is from before the first of the trusted artifact logs, which begins at ${rfc3339(logs.since)}, so that none has an entry of it; wanted is 1`,
      'policy',
    );
  requireCount(sources, 'entry', { found, least, isAsked, unusable });
  requireCount(sources, 'timestamp', {
    found: countHands(authorities),
    least: leastTimestamps,
    isAsked: true,
    unusable: trust.timestamps.unusable,
  });
  const known = [...new Set(times.map(({ time }) => time))].sort((a, b) => a - b);
  const judged = known.length === 0 && now !== undefined ? [now] : known;
  if (judged.length === 0) throw lacking(sources, NO_TIME, { isAsked: false });
  for (const known of entries) requireLogAt(known, judged);
  return judged;
}

/** Whether there are times, all of them before that one, and nothing speaks of an entry. */
const isOlder = ({ times, entries, uncounted }: Sources, since: number): boolean =>
  times.length > 0 &&
  entries.length === 0 &&
  uncounted.every(({ source }) => source !== 'entry') &&
  times.every(({ time }) => time < since);

/** How many sources are left when those that share a mark, or share one with another of the same hand, are taken for one. */
function countHands(sources: readonly (readonly string[])[]): number {
  let hands: ReadonlySet<string>[] = [];
  for (const marks of sources) {
    const same = hands.filter((hand) => marks.some((mark) => hand.has(mark)));
    const joined = new Set([...marks, ...same.flatMap((hand) => [...hand])]);
    hands = [...hands.filter((hand) => !same.includes(hand)), joined];
  }
  return hands.length;
}

const NO_TIME =
  'nothing trusted says when the signature was made: that takes a timestamp, or an entry of a log that signs its time';

interface Count {
  readonly found: number;
  readonly least: number;
  /** Whether the caller says how many there must be. */
  readonly isAsked: boolean;
  /** Why sources of that kind that the trusted root names cannot be used. */
  readonly unusable: readonly string[];
}

function requireCount(sources: Sources, source: SigningTime['source'], count: Count): void {
  const { found, least } = count;
  if (found >= least) return;
  const what = source === 'entry' ? 'artifact logs have entries' : 'timestamp authorities have timestamps';
  const sentence = `${found} trusted ${what} in the bundle, wanted are ${least}`;
  throw lacking(sources, sentence, { ...count, source });
}

/** Newer trust may know who is unknown, and have in order what cannot be used. */
function lacking(
  { uncounted }: Sources,
  sentence: string,
  {
    source,
    isAsked,
    unusable = [],
  }: Partial<Pick<Count, 'unusable'>> &
    Pick<Count, 'isAsked'> & { readonly source?: SigningTime['source'] | undefined },
): VerifyError {
  const missing = uncounted.filter((one) => source === undefined || one.source === source);
  const reasons = missing.map(({ reason }) => reason);
  const more = unusable.filter((clause) => !reasons.some((reason) => reason.includes(clause)));
  const isStale = unusable.length > 0 || missing.some(({ fault }) => fault === 'trust');
  const fault = isStale ? 'trust' : isAsked && missing.length === 0 ? 'policy' : 'certificate';
  return refused([sentence, ...reasons, ...more].join('; '), fault);
}
