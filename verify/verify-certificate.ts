/**
 * The offline verifier: redoes every public check on one certificate, from files alone. It shares with the issuing
 * side only the formats of `core` and `ct-log/format`, so that a mistake in issuing cannot hide here.
 */
import type { VerifyCrypto } from './crypto.ts';
import { requireCurrent, type DenyList } from './deny-list.ts';
import { readIdentity, readIssuer } from './identity.ts';
import type { IdentityPolicy } from './identity-policy.ts';
import {
  checkChain,
  checkDenied,
  checkNames,
  checkProof,
  checkSct,
  denySubjectOf,
  findTrustedSct,
  loggedCertificate,
  readIssued,
} from './issued-certificate.ts';
import {
  faultOf,
  said,
  STEP_NAMES,
  StepRecorder,
  type SkippedStep,
  type Step,
  type StepName,
} from './step.ts';
import { prepareTrust, type Trust } from './trust.ts';
import type { Fault } from './verify-error.ts';

/** What to verify, and against what. */
export interface VerifyRequest {
  /** DER. */
  readonly certificate: Uint8Array;
  /** What came with it: CA certificates, DER, that may lead to a trusted root. None of them is trusted. */
  readonly presented?: readonly Uint8Array[] | undefined;
  readonly trust: Trust;
  /** Whom the certificate must be for. */
  readonly policy: IdentityPolicy;
  /** Milliseconds since the epoch at which the chain must have been valid; the SCT's time by default. CAs whose trust has a window must
   * be trusted at both. */
  readonly at?: number | undefined;
  /** Text of a C2SP tlog-proof, UTF-8. */
  readonly proof?: Uint8Array | undefined;
  /** Text of a checkpoint of that log that was kept, UTF-8. With it a proof is demanded, which must be under the tree of that very head: what was logged later does not count, even if the keys are stolen. */
  readonly head?: Uint8Array | undefined;
  /** Whether a certificate without a proof is refused. */
  readonly requireInclusion?: boolean | undefined;
  /** What is not believed, and the time (milliseconds since the epoch) at which the list must still be good. */
  readonly deny?: { readonly list: DenyList; readonly now: number } | undefined;
  readonly crypto: VerifyCrypto;
}

/** The answer. */
export interface Verification {
  /** Whether every step passed. */
  readonly ok: boolean;
  /** With whom the fault lies: the certificate if anything is wrong with it, else the trust, else the policy. */
  readonly fault: Fault | undefined;
  /** In the order in which they were taken. */
  readonly steps: readonly Step[];
  /** What could not be judged because one of `steps` failed, in the order in which it would have been. */
  readonly skipped: readonly SkippedStep[];
  /** Milliseconds since the epoch: the time at which the chain was judged, if it was. */
  readonly at: number | undefined;
  /** The CA certificates above it, DER, issuing CA first, root last; empty where no way leads to a trusted root. */
  readonly path: readonly Uint8Array[];
  /** What the certificate says, whether or not it is true; undefined where it cannot be read. */
  readonly identity: string | undefined;
  readonly issuer: string | undefined;
}

/** Verifies a certificate. Answers with failed steps whatever the certificate and the proof hold; throws VerifyError
 * `BAD_TRUST` when `trust` itself cannot be read, and `BAD_DENY_LIST` when the deny list has expired. */
export async function verifyCertificate(request: VerifyRequest): Promise<Verification> {
  if (request.deny !== undefined) requireCurrent(request.deny.list, request.deny.now);
  const { crypto } = request;
  const trust = await prepareTrust(request.trust, crypto);
  const record = new StepRecorder();
  const certificate = await readIssued(record, request.certificate);
  if (certificate === undefined) {
    record.skip('certificate', 'sct', 'chain', ...NEED_LOGGED, 'identity', 'issuer', ...denyStepOf(request));
    record.skip('certificate', ...inclusionStepOf(request));
    return conclude(record, {});
  }
  const found = await findTrustedSct(record, certificate, trust);
  const at = request.at ?? found?.sct.timestamp;
  if (at === undefined) record.skip('sct', 'chain');
  const presented = request.presented ?? [];
  const path =
    at === undefined
      ? undefined
      : await checkChain(record, certificate, { trust, presented, times: [at], found, crypto });
  const logged = found && path && loggedCertificate(certificate, found, path, crypto);
  if (logged) await checkSct(record, logged, crypto);
  else record.skip(found ? 'chain' : 'sct', ...NEED_LOGGED, ...inclusionStepOf(request));
  if (record.failed === undefined) await checkNames(record, certificate, request.policy);
  else record.skip(record.failed, 'identity', 'issuer');
  if (logged && record.failed === undefined && request.deny !== undefined)
    await checkDenied(record, denySubjectOf(logged), request.deny.list, crypto);
  else if (record.failed !== undefined) record.skip(record.failed, ...denyStepOf(request));
  if (logged && inclusionStepOf(request).length > 0) await checkProof(record, logged, request, crypto);
  const says = {
    identity: said(() => readIdentity(certificate).value),
    issuer: said(() => readIssuer(certificate)),
  };
  return conclude(record, { at, path: path?.map(({ der }) => der), ...says });
}

/** What is checked about the SCT once it and the issuer of the certificate are known. */
const NEED_LOGGED: readonly StepName[] = ['sct-signature', 'sct-time'];

/** The check of the proof, if it is asked for. */
const inclusionStepOf = ({ proof, head, requireInclusion }: VerifyRequest): readonly StepName[] =>
  proof === undefined && head === undefined && requireInclusion !== true ? [] : ['inclusion'];

/** The check against the deny list, if there is one. */
const denyStepOf = ({ deny }: VerifyRequest): readonly StepName[] => (deny === undefined ? [] : ['deny']);

interface Facts extends Pick<Verification, 'at' | 'identity' | 'issuer'> {
  readonly path: Verification['path'] | undefined;
}

function conclude({ steps, skipped }: StepRecorder, facts: Partial<Facts>): Verification {
  const { at, path = [], identity, issuer } = facts;
  const ok = steps.every((step) => step.ok);
  const fault = faultOf(steps);
  const inOrder = STEP_NAMES.flatMap((name) => skipped.filter((step) => step.name === name));
  return { ok, fault, steps, skipped: inOrder, at, path, identity, issuer };
}
