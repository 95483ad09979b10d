/** `mayfly verify bundle`: a Sigstore bundle, offline. */
import { BundleTrust } from '../../verify/bundle/bundle-trust.ts';
import type { BundleStep } from '../../verify/bundle/bundle-step.ts';
import type { BundleRequest } from '../../verify/bundle/bundle-request.ts';
import { verifyBundle } from '../../verify/bundle/verify-bundle.ts';
import { readWitnessPolicy } from '../log/witness-quorum.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { BUNDLE_LIMIT, readFileOrStdin } from '../program/input-file.ts';
import { parseInteger } from '../program/options.ts';
import { readArtifact, type ArtifactOptions } from './artifact-file.ts';
import { predicatePolicy, signerPolicy, type PredicateOptions, type SignerOptions } from './bundle-policy.ts';
import { bundleFacts, bundleReport, bundleText } from './bundle-report.ts';
import { predicateUri } from '../sign/statement.ts';
import { readTrust, trustPath, type TrustOptions } from './chosen-trust.ts';
import type { DenyOptions } from './deny-file.ts';
import { readHead } from './head-file.ts';
import { judgedInput } from './judged-input.ts';
import { platformCrypto } from './platform-crypto.ts';

/** Options of `mayfly verify bundle`. */
export interface VerifyBundleOptions
  extends ArtifactOptions, SignerOptions, PredicateOptions, DenyOptions, TrustOptions {
  readonly predicateType?: string;
  readonly minEntries?: string;
  readonly minTimestamps?: string;
  readonly minScts?: string;
  readonly at?: string;
  readonly proof?: string;
  readonly head?: string;
  readonly requireInclusion?: true;
  readonly allowRootInChain?: true;
  readonly witnessPolicy?: string;
}

/** Verifies the bundle that is named and says what was found, step by step; false when a step failed. Rejects with {@link CommandError} for files and options that cannot be
 * used. */
export async function verifyBundleFile(
  options: VerifyBundleOptions,
  speak: Speaker,
  [file = '']: readonly string[],
): Promise<boolean> {
  const request = await requestOf(options, file);
  const verification = await judgedInput(NAMES, () => verifyBundle(request));
  const { anyIdentity, proof, head, requireInclusion, key } = options;
  const isProven = proof !== undefined || head !== undefined || requireInclusion === true;
  const left: BundleStep[] = [
    ...(anyIdentity === true ? (['identity', 'issuer'] as const) : []),
    ...(isProven || key !== undefined ? [] : (['inclusion'] as const)),
  ];
  const report = bundleReport(verification, left, await request.artifact.digest('sha256'));
  speak.answer(bundleFacts(report), bundleText(report));
  if (anyIdentity === true) speak.note('Not checked: who signed (--any-identity).');
  return verification.ok;
}

async function requestOf(options: VerifyBundleOptions, file: string): Promise<BundleRequest> {
  requireOneStdin({
    BUNDLE: file,
    '--artifact': options.artifact,
    '--proof': options.proof,
    '--head': options.head,
  });
  const signer = await signerPolicy(options);
  const trust = new BundleTrust(await readTrust(requiredTrust(options)), platformCrypto);
  const bundle = await readFileOrStdin(file, 'BUNDLE', BUNDLE_HINT, BUNDLE_LIMIT);
  return {
    bundle,
    artifact: await readArtifact(options),
    trust,
    signer,
    thresholds: {
      entries: countOf(options.minEntries, '--min-entries'),
      timestamps: countOf(options.minTimestamps, '--min-timestamps'),
      scts: sctCountOf(options),
    },
    now: nowOf(options.at),
    predicateType: options.predicateType && predicateUri(options.predicateType),
    predicate: await predicatePolicy(options),
    deny: await denyOf(options),
    proof: await proofOf(options),
    head: await readHead(options.head),
    requireInclusion: options.requireInclusion,
    allowRootInChain: options.allowRootInChain,
    witnesses: await readWitnessPolicy(options.witnessPolicy),
  };
}

const BUNDLE_HINT = 'Give the bundle that the signing client wrote, e.g. artifact.sigstore.json.';

function requireOneStdin(files: Readonly<Record<string, string | undefined>>): void {
  const onStdin = Object.keys(files).filter((name) => files[name] === '-');
  if (onStdin.length > 1)
    throw usage(`stdin can be only one of ${onStdin.join(' and ')}`, 'Write the other one into a file.');
}

function requiredTrust(options: VerifyBundleOptions): string {
  const path = trustPath(options);
  if (path !== undefined) return path;
  throw usage(
    'give --trusted-root: without CAs, logs and authorities of your own to believe nothing can be judged',
    'The operator of the CA makes it with: mayfly trust export --data DIR --out DIR',
  );
}

const countOf = (text: string | undefined, option: string): number | undefined =>
  text === undefined ? undefined : parseInteger(text, option, 0, 32);

function sctCountOf({ minScts, key }: VerifyBundleOptions): number | undefined {
  if (minScts === undefined) return undefined;
  if (key !== undefined)
    throw usage('--min-scts is about a certificate, and --key is none', 'Leave one of them out.');
  return parseInteger(minScts, '--min-scts', 0, 1);
}

/** The present is the only time that one can ask for: any other comes from who was there. */
function nowOf(at: string | undefined): number | undefined {
  if (at === undefined) return undefined;
  if (at === 'now') return Date.now();
  throw usage(
    '--at takes "now" and nothing else',
    'It judges a bundle without any trusted time at the present; all others at their own times.',
  );
}

async function proofOf({
  proof,
  head,
  key,
  requireInclusion,
}: VerifyBundleOptions): Promise<Uint8Array | undefined> {
  if (key !== undefined && (proof !== undefined || head !== undefined || requireInclusion === true))
    throw usage(
      '--proof, --head and --require-inclusion are about a certificate, and --key is none',
      'Leave one of them out.',
    );
  if (proof === undefined) return undefined;
  return readFileOrStdin(proof, '--proof', 'Make one with: mayfly log proof CERT --url URL');
}

/** Loads what reads YAML only where there is a list. */
async function denyOf(options: VerifyBundleOptions): Promise<BundleRequest['deny']> {
  const { deny, denySha256, denyKey, denySignature, key } = options;
  if ([deny, denySha256, denyKey, denySignature].every((option) => option === undefined)) return undefined;
  if (key !== undefined)
    throw usage('--deny is about certificates, and --key is none', 'Leave one of them out.');
  const { readDenyFile } = await import('./deny-file.ts');
  const list = await judgedInput(NAMES, () => readDenyFile(options));
  return list && { list, now: Date.now() };
}

/** How its inputs are called. */
const NAMES = { subject: 'the bundle', trust: '--trusted-root' };

const usage = (sentence: string, hint?: string): CommandError =>
  new CommandError('USAGE', sentence, { hint });
