/** `mayfly verify certificate`: a certificate, offline. */
import { parseRfc3339 } from '../../core/clock.ts';
import type { StepName } from '../../verify/step.ts';
import { verifyCertificate, type Verification, type VerifyRequest } from '../../verify/verify-certificate.ts';
import { utf8Text } from '../../core/bytes.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { parseTlogProof } from '../../tlog/format/tlog-proof.ts';
import type { WitnessPolicy } from '../../tlog/format/witness-policy.ts';
import { cosignersOf, readWitnessPolicy } from '../log/witness-quorum.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { readFileOrStdin } from '../program/input-file.ts';
import { readCertificateFile } from './certificate-file.ts';
import { readTrust, trustPath, type TrustOptions } from './chosen-trust.ts';
import type { DenyOptions } from './deny-file.ts';
import { readHead } from './head-file.ts';
import { identityPolicy, type IdentityOptions } from './identity-options.ts';
import { judgedInput } from './judged-input.ts';
import { platformCrypto } from './platform-crypto.ts';
import { verificationFacts, verificationReport, verificationText } from './verification-report.ts';

/** Options of `mayfly verify certificate`. */
export interface VerifyCertificateOptions extends DenyOptions, IdentityOptions, TrustOptions {
  readonly at?: string;
  readonly proof?: string;
  readonly head?: string;
  readonly requireInclusion?: true;
  readonly witnessPolicy?: string;
}

/** Verifies the certificate that is named and says what was found, step by step; false when a step failed. Rejects with {@link CommandError} for files and options that
 * cannot be used. */
export async function verifyCertificateFile(
  options: VerifyCertificateOptions,
  speak: Speaker,
  args: readonly string[],
): Promise<boolean> {
  const policy = await identityPolicy(options);
  const at = timeOf(options.at);
  const trust = await readTrust(requiredTrust(options));
  const [file = ''] = args;
  if ([file, options.proof, options.head].filter((one) => one === '-').length > 1)
    throw new CommandError('USAGE', 'stdin can be only one of CERT, --proof and --head', {
      hint: 'Write the other one into a file.',
    });
  const presented = await readCertificateFile(file);
  const proof =
    options.proof === undefined ? undefined : await readFileOrStdin(options.proof, '--proof', PROOF_HINT);
  const head = await readHead(options.head);
  const deny = await judgedInput(NAMES, () => denyOf(options));
  const { requireInclusion } = options;
  const inclusion = { proof, head, requireInclusion };
  const request = { ...presented, trust, policy, at, ...inclusion, deny, crypto: platformCrypto };
  const witnesses = await readWitnessPolicy(options.witnessPolicy);
  if (witnesses !== undefined && proof === undefined && head === undefined)
    throw new CommandError('USAGE', '--witness-policy needs --proof or --head: the SCT is under no head', {
      hint: PROOF_HINT,
    });
  const found = await judgedInput(NAMES, () => verifyCertificate(request));
  const verification = witnesses === undefined ? found : withWitnesses(found, head ?? proof, witnesses);
  const report = verificationReport(verification, notCheckedOf(options));
  speak.answer(verificationFacts(report), verificationText(report));
  if (options.anyIdentity === true) speak.note('Not checked: whom the certificate is for (--any-identity).');
  if (proof === undefined && head === undefined && requireInclusion !== true) {
    speak.note('Not checked: that the log still has it. The SCT is its promise; --proof FILE checks that.');
  }
  speak.note(NO_SIGNATURE);
  return verification.ok;
}

/** The same with the check who cosigned the checkpoint of a proof, or the head itself: those were verified before. */
function withWitnesses(
  found: Verification,
  evidence: Uint8Array | undefined,
  policy: WitnessPolicy,
): Verification {
  const name = 'witnesses';
  if (!found.steps.some((step) => step.name === 'inclusion' && step.ok))
    return { ...found, skipped: [...found.skipped, { name, needs: 'inclusion' }] };
  try {
    const detail = `cosigned by ${cosignersIn(evidence ?? new Uint8Array(), policy).join(', ')}`;
    return { ...found, steps: [...found.steps, { name, ok: true, detail }] };
  } catch (error) {
    if (!(error instanceof LogError)) throw error;
    const step = { name, ok: false, detail: error.message, fault: 'certificate' } as const;
    return { ...found, ok: false, fault: found.fault ?? 'certificate', steps: [...found.steps, step] };
  }
}

/** A kept head is a checkpoint itself. */
function cosignersIn(evidence: Uint8Array, policy: WitnessPolicy): string[] {
  const isProof = utf8Text(evidence.subarray(0, PROOF_START.length)) === PROOF_START;
  return cosignersOf(isProof ? parseTlogProof(evidence).checkpoint : evidence, policy);
}

const PROOF_START = 'c2sp.org/tlog-proof@';

/** Loads what reads YAML only where there is a list. */
async function denyOf(options: VerifyCertificateOptions): Promise<VerifyRequest['deny']> {
  const { deny, denySha256, denyKey, denySignature } = options;
  if ([deny, denySha256, denyKey, denySignature].every((option) => option === undefined)) return undefined;
  const list = await (await import('./deny-file.ts')).readDenyFile(options);
  return list && { list, now: Date.now() };
}

/** What no option of this command checks, however good the certificate is. */
const NO_SIGNATURE =
  'Not checked: any signature, and when it was made. The key can sign after the end of the certificate; only a trusted timestamp shows when.';

const PROOF_HINT = 'Make one with: mayfly log proof CERT --url URL';

function requiredTrust(options: VerifyCertificateOptions): string {
  const path = trustPath(options);
  if (path !== undefined) return path;
  throw new CommandError(
    'USAGE',
    'give --trust: without roots and log keys of your own nothing can be judged',
    {
      hint: 'The operator of the CA makes the directory with: mayfly trust export --data DIR --out DIR',
    },
  );
}

function timeOf(text: string | undefined): number | undefined {
  const at = text === undefined ? undefined : parseRfc3339(text);
  if (text === undefined || at !== undefined) return at;
  throw new CommandError('USAGE', `--at: "${text}" is no RFC 3339 time`, {
    hint: 'Write it with date, time and zone, e.g. 2026-11-22T10:00:00Z or 2026-11-22T11:00:00+01:00.',
  });
}

/** How its inputs are called. */
const NAMES = { subject: 'the certificate', trust: '--trust' };

/** What the options leave unchecked. */
function notCheckedOf({ anyIdentity, proof, head, requireInclusion }: VerifyCertificateOptions): StepName[] {
  const isProven = proof !== undefined || head !== undefined || requireInclusion === true;
  return [
    ...(anyIdentity === true ? (['identity', 'issuer'] as const) : []),
    ...(isProven ? [] : (['inclusion'] as const)),
  ];
}
