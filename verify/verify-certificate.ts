/**
 * The offline verifier: redoes every public check on one certificate, from files alone. It shares with the issuing
 * side only the formats of `core` and `ct-log/format`, so that a mistake in issuing cannot hide here.
 */
import { parseCertificate, type Certificate } from '../core/certificate.ts';
import { rfc3339 } from '../core/clock.ts';
import { describeName } from '../core/distinguished-name.ts';
import { FormatError } from '../core/errors.ts';
import { printable } from '../core/printable.ts';
import { findPath, type ValidPath } from './certificate-path.ts';
import { checkLeaf, checkValidity } from './certificate-rules.ts';
import type { VerifyCrypto } from './crypto.ts';
import { requireCurrent, requireNotDenied, type DenyList } from './deny-list.ts';
import { demand, readIdentity, readIssuer } from './identity.ts';
import type { IdentityPolicy } from './identity-policy.ts';
import { checkInclusion } from './inclusion.ts';
import { loggedLeaf } from './logged-entry.ts';
import { checkSctSignature, findSct, type FoundSct } from './sct.ts';
import { STEP_NAMES, StepRecorder, type SkippedStep, type Step, type StepName } from './step.ts';
import { prepareTrust, type PreparedTrust, type Trust } from './trust.ts';
import { refused, VerifyError, type Fault } from './verify-error.ts';

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
  const trust = await prepareTrust(request.trust, request.crypto);
  const record = new StepRecorder();
  const leaf = await record.run('certificate', () => readLeaf(request.certificate));
  if (leaf === undefined) {
    record.skip('certificate', 'sct', 'chain', ...NEED_LOGGED, 'identity', 'issuer', ...denyStepOf(request));
    record.skip('certificate', ...inclusionStepOf(request));
    return conclude(record, {});
  }
  const { certificate } = leaf;
  const found = await record.run('sct', () => describeSct(certificate, trust));
  const at = request.at ?? found?.sct.timestamp;
  if (at === undefined) record.skip('sct', 'chain');
  const path =
    at === undefined ? undefined : await checkChain(record, certificate, { request, trust, at, found });
  const logged = found &&
    path && { found, path, leaf: loggedLeaf(certificate, path[0], found.sct, request.crypto) };
  if (logged) await checkSct(record, certificate, logged, request.crypto);
  else record.skip(found ? 'chain' : 'sct', ...NEED_LOGGED, ...inclusionStepOf(request));
  // An untrusted certificate can have any name, and matching a name costs what its author likes. So names are looked at only
  // when a trusted CA has signed them.
  if (record.failed === undefined) await checkNames(record, certificate, request.policy);
  else record.skip(record.failed, 'identity', 'issuer');
  if (logged && record.failed === undefined) await checkDenied(record, certificate, logged, request);
  else if (record.failed !== undefined) record.skip(record.failed, ...denyStepOf(request));
  if (logged) await checkLogged(record, logged, request);
  const says = {
    identity: said(() => readIdentity(certificate).value),
    issuer: said(() => readIssuer(certificate)),
  };
  return conclude(record, { at, path: path?.map(({ der }) => der), ...says });
}

/** What is checked about the SCT once it and the issuer of the certificate are known. */
const NEED_LOGGED: readonly StepName[] = ['sct-signature', 'sct-time'];

/** The check of the proof, if it is asked for. */
const inclusionStepOf = ({ proof, requireInclusion }: VerifyRequest): readonly StepName[] =>
  proof === undefined && requireInclusion !== true ? [] : ['inclusion'];

/** The check against the deny list, if there is one. */
const denyStepOf = ({ deny }: VerifyRequest): readonly StepName[] => (deny === undefined ? [] : ['deny']);

interface Facts extends Pick<Verification, 'at' | 'identity' | 'issuer'> {
  readonly path: Verification['path'] | undefined;
}

function conclude({ steps, skipped }: StepRecorder, facts: Partial<Facts>): Verification {
  const { at, path = [], identity, issuer } = facts;
  const ok = steps.every((step) => step.ok);
  const fault = FAULTS.find((one) => steps.some((step) => step.fault === one));
  const inOrder = STEP_NAMES.flatMap((name) => skipped.filter((step) => step.name === name));
  return { ok, fault, steps, skipped: inOrder, at, path, identity, issuer };
}

/** The first one decides: newer trust material does not help a wrong certificate. */
const FAULTS: readonly Fault[] = ['certificate', 'trust', 'policy'];

/** Far above what any real certificate needs, far below what a log entry can hold. */
const CERTIFICATE_LIMIT = 0x10000;

function readLeaf(der: Uint8Array): readonly [string, { certificate: Certificate }] {
  if (der.length > CERTIFICATE_LIMIT) throw refused('the certificate is larger than 64 KiB');
  const certificate = parseCertificate(der);
  checkLeaf(certificate);
  const { notBefore, notAfter } = certificate;
  return [`for code signing, ${rfc3339(notBefore)} to ${rfc3339(notAfter)}`, { certificate }];
}

function describeSct(certificate: Certificate, trust: PreparedTrust): readonly [string, FoundSct] {
  const found = findSct(certificate, trust);
  return [`one, of the log ${found.log.name}, at ${rfc3339(found.sct.timestamp)}`, found];
}

interface ChainCheck {
  readonly request: VerifyRequest;
  readonly trust: PreparedTrust;
  readonly at: number;
  readonly found: FoundSct | undefined;
}

const checkChain = (
  record: StepRecorder,
  leaf: Certificate,
  { request, trust, at, found }: ChainCheck,
): Promise<ValidPath | undefined> =>
  record.run('chain', async () => {
    const presented = readPresented(request.presented ?? []);
    const loggedAt = found?.sct.timestamp;
    const path = await findPath(leaf, { trust, presented, time: at, loggedAt, crypto: request.crypto });
    const names = path.map(({ subject }) => `"${describeName(subject)}"`).join(' under ');
    return [`issued by ${names}, all valid at ${rfc3339(at)}`, path];
  });

/** Longer than any chain; each costs signature checks. */
const PRESENTED_LIMIT = 10;

function readPresented(ders: readonly Uint8Array[]): Certificate[] {
  if (ders.length > PRESENTED_LIMIT) throw refused(`more than ${PRESENTED_LIMIT} certificates came with it`);
  if (ders.some((der) => der.length > CERTIFICATE_LIMIT))
    throw refused('a certificate that came with it is larger than 64 KiB');
  return ders.map((der) => parseCertificate(der));
}

interface Logged {
  readonly found: FoundSct;
  /** The CAs above it. */
  readonly path: ValidPath;
  /** MerkleTreeLeaf. */
  readonly leaf: Uint8Array;
}

async function checkSct(
  record: StepRecorder,
  certificate: Certificate,
  { found, leaf }: Logged,
  crypto: VerifyCrypto,
): Promise<void> {
  await record.run('sct-signature', async () => {
    await checkSctSignature(found, leaf, crypto);
    return [`the log ${found.log.name} signed for this certificate`, undefined];
  });
  await record.run('sct-time', () => {
    checkValidity(certificate, found.sct.timestamp, 'the certificate');
    return ["logged within the certificate's validity", undefined];
  });
}

async function checkNames(
  record: StepRecorder,
  certificate: Certificate,
  policy: IdentityPolicy,
): Promise<void> {
  await record.run('identity', () => {
    const { type, value } = readIdentity(certificate);
    demand(policy.identity, value, 'identity');
    return [`${type} "${printable(value)}"`, undefined];
  });
  await record.run('issuer', () => {
    const issuer = readIssuer(certificate);
    demand(policy.issuer, issuer, 'OpenID issuer');
    return [`"${printable(issuer)}"`, undefined];
  });
}

async function checkDenied(
  record: StepRecorder,
  certificate: Certificate,
  { path, found }: Logged,
  { deny, crypto }: VerifyRequest,
): Promise<void> {
  if (deny === undefined) return;
  const { list } = deny;
  await record.run('deny', () => {
    requireNotDenied(list, { certificate, path, loggedAt: found.sct.timestamp }, crypto);
    return [`none of ${list.rules.length} rules, good until ${rfc3339(list.expires)}`, undefined];
  });
}

/** What a certificate says, or undefined where it cannot be read. */
function said(read: () => string): string | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof FormatError || error instanceof VerifyError) return undefined;
    throw error;
  }
}

async function checkLogged(
  record: StepRecorder,
  { found, leaf }: Logged,
  request: VerifyRequest,
): Promise<void> {
  const { proof, crypto } = request;
  if (inclusionStepOf(request).length === 0) return;
  await record.run('inclusion', async () => {
    if (proof === undefined)
      throw refused('a proof that the certificate is in the log is required, none was given', 'policy');
    const { index, size } = await checkInclusion(proof, found, leaf, crypto);
    return [`entry ${index} of ${size} in the log ${found.log.name}`, undefined];
  });
}
