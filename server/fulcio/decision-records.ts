/** What is kept of each decision over a signing request: numbers, the service log, and the audit where there is one. */
import { AuditError } from '../../audit/audit-error.ts';
import type { Audit } from '../../audit/audit.ts';
import type { DecisionTrace } from '../../ca/decision-trace.ts';
import type { Issued } from '../../ca/issuance.ts';
import { MayflyError } from '../../core/errors.ts';
import { LogError } from '../../tlog/log-error.ts';
import { IssuerFault } from '../../oidc/keys/issuer-fault.ts';
import { PolicyError } from '../../policy/policy-error.ts';
import { ReplayFault } from '../../policy/replay/replay-fault.ts';
import type { RefusalLog } from '../operator/refusal-log.ts';
import type { ClientAddress } from '../http/client-address.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Metrics } from '../operator/metrics.ts';
import type { Problem } from '../reasons/problem.ts';
import type { RefusedLine, RequestLog } from '../operator/request-log.ts';

/** Where decisions are kept. */
export interface RecordParts {
  readonly metrics: Metrics;
  readonly requestLog: RequestLog;
  readonly refusalLog: RefusalLog;
  /** With it, the service log has no lines for certificates, because the audit says the same and more, and has lines for
   * the same refusals. */
  readonly audit?: Audit | undefined;
  readonly clientAddress: ClientAddress;
}

/** A certificate and how far its decision came. */
export interface IssuedRecord {
  readonly exchange: Exchange;
  readonly issued: Issued;
  readonly trace: DecisionTrace;
}

/** A refusal: what was thrown, and what the caller is told. */
export interface RefusedRecord {
  readonly exchange: Exchange;
  readonly trace: DecisionTrace;
  readonly error: unknown;
  readonly problem: Problem;
}

/** Keeps decisions. */
export interface DecisionRecords {
  /** Before the certificate leaves. The certificate has to wait for a promise, and stays when it is rejected. */
  releasing(record: IssuedRecord): Promise<void> | undefined;
  /** After the certificate was sent. */
  issued(record: IssuedRecord): void;
  /** After the refusal was sent. */
  refused(record: RefusedRecord): void;
}

/** Joins the parts. */
export function createDecisionRecords(parts: RecordParts): DecisionRecords {
  const { metrics, audit, requestLog } = parts;
  return {
    releasing: (record) => audit?.issued(auditedCertificate(record, parts)),
    issued: (record) => {
      metrics.issued(record.issued.committed.treeSize, record.trace.entry);
      if (audit === undefined) logIssued(record, parts);
    },
    refused: (record) => {
      metrics.refused(record.problem.reason, record.trace.entry);
      // A flood fills neither: a refusal that the audit only counts has no line in the service log either.
      if (audit === undefined) logRefused(record, parts);
      else if (audit.refused(auditedRefusal(record, parts))) requestLog.refused(refusedLine(record, parts));
    },
  };
}

function auditedCertificate(
  { exchange, issued, trace }: IssuedRecord,
  { clientAddress }: RecordParts,
): Parameters<Audit['issued']>[0] {
  return {
    requestId: exchange.requestId,
    client: clientAddress(exchange.request),
    entry: trace.entry,
    issuer: issued.principal.issuer,
    principal: issued.principal.san.value,
    rule: trace.rule,
    serial: issued.serialHex,
    leafIndex: issued.committed.index,
    certificate: issued.certificate,
    extensions: issued.principal.extensions,
    notAfter: issued.notAfter,
  };
}

function auditedRefusal(
  { exchange, trace, error, problem }: RefusedRecord,
  { clientAddress }: RecordParts,
): Parameters<Audit['refused']>[0] {
  const { entry, issuer, principal, serial, leafIndex } = trace;
  return {
    requestId: exchange.requestId,
    client: clientAddress(exchange.request),
    reason: problem.reason,
    ...{ entry, issuer, principal, serial, leafIndex },
    // The rule of the trace is the one that allowed it, before something else did not.
    rule: error instanceof PolicyError ? error.metadata['rule'] : undefined,
  };
}

function logIssued({ exchange, issued }: IssuedRecord, { requestLog, clientAddress }: RecordParts): void {
  requestLog.issued({
    requestId: exchange.requestId,
    client: clientAddress(exchange.request),
    issuer: issued.principal.issuer,
    principal: issued.principal.san.value,
    serial: issued.serialHex,
    leafIndex: issued.committed.index,
    ms: Math.round(exchange.ms * 10) / 10,
  });
}

function logRefused(record: RefusedRecord, parts: RecordParts): void {
  parts.refusalLog.refused(record.trace.entry, record.problem.reason, () => refusedLine(record, parts));
}

function refusedLine(
  { exchange, error, problem }: RefusedRecord,
  { clientAddress }: RecordParts,
): RefusedLine {
  return {
    requestId: exchange.requestId,
    client: clientAddress(exchange.request),
    status: problem.status,
    reason: problem.reason,
    sentence: problem.sentence,
    ms: Math.round(exchange.ms * 10) / 10,
    // What lies under a caller's fault may quote the caller; what lies under ours is needed to mend it.
    ...(isToldAlready(error) ? { isRepeated: true } : { cause: problem.status >= 500 ? error : undefined }),
  };
}

/** Faults that a line has told. An issuer that is down, a replay guard whose thread ended, a log that stopped or an audit
 * that fails is tried once in a while, and until then every request that needs it fails with the one fault of that try:
 * they must not fill the log with it. */
const told = new WeakSet<Error>();

function isToldAlready(error: unknown): boolean {
  const fault = lastingFault(error);
  if (fault === undefined) return false;
  if (told.has(fault)) return true;
  told.add(fault);
  return false;
}

function lastingFault(error: unknown): Error | undefined {
  if (!(error instanceof MayflyError) || !(error.cause instanceof Error)) return undefined;
  const { cause } = error;
  const lasts = error instanceof LogError || error instanceof AuditError;
  return lasts || cause instanceof IssuerFault || cause instanceof ReplayFault ? cause : undefined;
}
