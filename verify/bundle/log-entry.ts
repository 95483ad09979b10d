/** Whether an artifact log took in an entry, and when. */
import { equalBytes, shownHash, toBase64 } from '../../core/bytes.ts';
import { rfc3339 } from '../../core/clock.ts';
import { printable } from '../../core/printable.ts';
import type { BundleEntry, EntryProof } from '../../bundle/format/bundle-entry.ts';
import { requireBodyOf } from '../../rekor/format/entry-body.ts';
import { rememberedDigest } from '../../rekor/format/entry-digest.ts';
import type { LoggedSignature } from '../../rekor/format/logged-signature.ts';
import { signedEntryTimestampPayload } from '../../rekor/format/signed-entry-timestamp.ts';
import { parseCheckpoint, type Checkpoint } from '../../tlog/format/checkpoint.ts';
import { hashLeaf } from '../../tlog/format/merkle.ts';
import { verifyInclusion } from '../../tlog/format/merkle-verify.ts';
import type { WitnessPolicy } from '../../tlog/format/witness-policy.ts';
import type { VerifyCrypto } from '../crypto.ts';
import type { StepRecorder } from '../step.ts';
import { requireWithin } from '../trust-windows.ts';
import { refused } from '../verify-error.ts';
import type { BundleCrypto } from './artifact.ts';
import { isOrigin, type TrustedArtifactLog, type RekorApi } from './artifact-logs.ts';
import type { BundleStep } from './bundle-step.ts';
import { requireCosigned } from './cosigned.ts';

/** An entry whose log is trusted. */
export interface KnownEntry {
  readonly entry: BundleEntry;
  readonly api: RekorApi;
  readonly log: TrustedArtifactLog;
}

/** What entries are checked against. */
export interface EntryCheck {
  /** What they must be about. */
  readonly logged: LoggedSignature;
  /** Whether the bundle is of version 0.1. */
  readonly isOld: boolean;
  /** Whether an entry of such a bundle needs its inclusion proof, as of any other. */
  readonly requireInclusion: boolean;
  /** Who has to have cosigned the checkpoints of their proofs; undefined: nobody. */
  readonly witnesses: WitnessPolicy | undefined;
  /** What is said of those that do not count. */
  readonly notes: readonly string[];
  readonly crypto: BundleCrypto;
}

/** An entry all of which holds. */
export interface VerifiedEntry extends KnownEntry {
  /** Milliseconds since the epoch; undefined where the log signed none. */
  readonly time: number | undefined;
}

/** Verifies entries as a whole: that they are about the signature, and that their logs promised and have them. Undefined when anything failed; no part of it is there to be
 * used alone. */
export async function verifyEntries(
  record: StepRecorder<BundleStep>,
  known: readonly KnownEntry[],
  { logged, isOld, requireInclusion, witnesses, notes, crypto }: EntryCheck,
): Promise<readonly VerifiedEntry[] | undefined> {
  const areAbout = await record.run('entry', async () => {
    const digest = rememberedDigest((hash, data) => crypto.digest(hash, data));
    for (const { entry } of known) await requireBodyOf(entry, logged, digest);
    return [[...known.map(describeEntry), ...notes].join('; '), true];
  });
  if (areAbout === undefined) {
    record.skip('entry', 'entry-promise', 'entry-proof');
    if (witnesses !== undefined) record.skip('entry', 'witnesses');
    return undefined;
  }
  if (known.length === 0)
    return (await areCosigned(record, known, witnesses, undefined, crypto)) ? [] : undefined;
  const promised = await record.run('entry-promise', async () => {
    const times: PromisedTime[] = [];
    for (const one of known) times.push(await checkPromise(one, isOld, crypto));
    return [times.map((one) => (one.time === undefined ? one.why : rfc3339(one.time))).join('; '), times];
  });
  const places = await record.run('entry-proof', async () => {
    const found: string[] = [];
    for (const one of known) found.push(await checkProofOf(one, { isOld, requireInclusion, crypto }));
    return [found.join('; '), found];
  });
  const needs = places === undefined ? 'entry-proof' : undefined;
  const isWitnessed = await areCosigned(record, known, witnesses, needs, crypto);
  if (promised === undefined || places === undefined || !isWitnessed) return undefined;
  return known.map((one, at) => ({ ...one, time: promised[at]?.time }));
}

/** Also where nobody has to have. `needs`: the step that failed before. */
async function areCosigned(
  record: StepRecorder<BundleStep>,
  known: readonly KnownEntry[],
  witnesses: WitnessPolicy | undefined,
  needs: BundleStep | undefined,
  crypto: VerifyCrypto,
): Promise<boolean> {
  if (witnesses === undefined) return true;
  if (needs !== undefined) {
    record.skip(needs, 'witnesses');
    return false;
  }
  const found = await record.run('witnesses', async () => [
    await requireCosigned(known, witnesses, crypto),
    true,
  ]);
  return found === true;
}

/** Of a promise: the time in it, milliseconds since the epoch, or why there is none. */
type PromisedTime = { readonly time: number } | { readonly time?: undefined; readonly why: string };

/** Throws a refusal unless the log promised the entry, as Rekor v1 does, at a time at which the log counts. Rekor v2 promises nothing, and has no time. Nor has an entry of
 * Rekor v1 whose promise was left out, as a bundle may since version 0.2: what it says of its time nobody signed. In `isOld`, version 0.1, the promise alone stands for the log. */
async function checkPromise(
  { entry, api, log }: KnownEntry,
  isOld: boolean,
  crypto: VerifyCrypto,
): Promise<PromisedTime> {
  const { promise, integratedTime } = entry;
  if (api === 2) {
    if (promise !== undefined || integratedTime !== 0)
      throw refused(`the entry in the log ${log.name} says when it was made, and logs of its kind do not`);
    return { why: 'none, as logs of its kind have no time' };
  }
  if (promise === undefined && !isOld) return { why: 'none, so that its time does not count' };
  if (promise === undefined) throw refused(`the entry in the log ${log.name} has no signed entry timestamp`);
  if (integratedTime === 0) throw refused(`the entry in the log ${log.name} has no time`);
  const payload = signedEntryTimestampPayload(entry);
  if (!(await crypto.verify(log.scheme, log.publicKey, payload, promise)))
    throw refused(`the signed entry timestamp of the log ${log.name} does not hold`);
  const time = integratedTime * 1000;
  requireWithin(log.windows, [time], `the log ${log.name}`);
  return { time };
}

/** Throws a refusal unless the entry is where its proof says, in a tree whose checkpoint the log signed. Returns what was found, in words. `isOld` are bundles of
 * version 0.1: there a proof without a checkpoint must be right in itself, and proves nothing, so that it is refused where one is required. */
async function checkProofOf(
  { entry, api, log }: KnownEntry,
  { isOld, requireInclusion, crypto }: Pick<EntryCheck, 'isOld' | 'requireInclusion' | 'crypto'>,
): Promise<string> {
  const { proof } = entry;
  const mayLack = isOld && api === 1;
  if (mayLack && requireInclusion && proof?.checkpoint === undefined)
    throw refused(
      `a proof that the log ${log.name} has the entry is required, and the bundle has none under a checkpoint`,
      'policy',
    );
  if (proof === undefined) {
    if (mayLack) return `none of the log ${log.name}, whose signed entry timestamp stands for it`;
    throw refused(`the entry in the log ${log.name} has no inclusion proof`);
  }
  if (proof.checkpoint === undefined && !mayLack)
    throw refused(`the inclusion proof of the log ${log.name} has no checkpoint`);
  if (proof.checkpoint !== undefined)
    await checkCheckpoint(parseCheckpoint(proof.checkpoint), proof, { log, api }, crypto);
  if (api === 2 && proof.index !== entry.logIndex)
    throw refused(`the entry is number ${entry.logIndex}, and its proof is for ${proof.index}`);
  const leafHash = hashLeaf(crypto.sha256, entry.body);
  const { index, size } = proof;
  if (!verifyInclusion(crypto.sha256, { leafHash, index, size }, proof.hashes, proof.root))
    throw refused(
      `the proof does not lead from the entry to the root of size ${size} of the log ${log.name}`,
    );
  const place = `number ${index} of ${size} in the log ${log.name}`;
  return proof.checkpoint === undefined ? `${place}, which no checkpoint shows` : place;
}

/** Throws a refusal unless the log signed that checkpoint, and it is that of the root and size. Lines of other keys (witnesses) are passed over; every line of the log's own must hold. */
export async function checkCheckpoint(
  checkpoint: Checkpoint,
  proof: Pick<EntryProof, 'root' | 'size'>,
  { log, api }: Pick<KnownEntry, 'log' | 'api'>,
  crypto: VerifyCrypto,
): Promise<void> {
  const origin = log.origins.find((one) => isOrigin(checkpoint.origin, one, api));
  if (origin === undefined) {
    const wanted = log.origins.map((one) => (api === 1 ? `${one} - TREE` : one)).join(' or ');
    const found = printable(checkpoint.origin.slice(0, 200));
    throw refused(
      `the checkpoint is of another log, "${found}", than ${log.name}, which is called "${wanted}" there`,
    );
  }
  const keyId = log.logId.subarray(0, 4);
  const lines = checkpoint.signatures.filter((line) => line.name === origin && equalBytes(line.keyId, keyId));
  if (lines.length === 0) throw refused(`the checkpoint is not signed by the log ${log.name}`);
  for (const { signature } of lines)
    if (!(await crypto.verify(log.scheme, log.publicKey, checkpoint.text, signature)))
      throw refused(`the signature of the log ${log.name} on the checkpoint does not hold`);
  if (!equalBytes(checkpoint.root, proof.root))
    throw refused(
      `the checkpoint has the root ${toBase64(checkpoint.root)}, the proof ${shownHash(proof.root)}`,
    );
  if (checkpoint.size !== proof.size)
    throw refused(`the checkpoint is of size ${checkpoint.size}, the proof of ${proof.size}`);
}

/** Throws a refusal unless the log of an entry counts at each of the times. That of an entry with a time of its own counted then. */
export function requireLogAt({ entry, log }: KnownEntry, times: readonly number[]): void {
  if (entry.promise === undefined) requireWithin(log.windows, times, `the log ${log.name}`);
}

/** In words. The number of an entry of Rekor v1 stands under its signed entry timestamp alone: without one nobody signed it. */
const describeEntry = ({ api, log, entry }: KnownEntry): string => {
  const number = api === 1 && entry.promise === undefined ? 'one without a signed number' : entry.logIndex;
  return `${number} in the log ${log.name}`;
};
