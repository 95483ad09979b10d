/** What is kept of each decision over a signing request: numbers, the service log, and the audit where there is one. */
import { AuditError } from '../../audit/audit-error.ts';
import type { Audit } from '../../audit/audit.ts';
import type { IssuedDecision, RefusedDecision, ReleasedDecision } from '../../ca/decision.ts';
import { MayflyError } from '../../core/errors.ts';
import { IssuerFault } from '../../oidc/keys/issuer-fault.ts';
import { ReplayFault } from '../../policy/replay/replay-fault.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import type { Metrics } from '../operator/metrics.ts';
import type { RefusalLog } from '../operator/refusal-log.ts';
import { refusedLine } from '../operator/refused-line.ts';
import type { RefusedLine, ServiceLog } from '../operator/service-log.ts';
import type { Problem } from '../reasons/problem.ts';

/** Where decisions are kept. */
interface Destinations {
  readonly metrics: Pick<Metrics, 'issued' | 'refused'>;
  readonly serviceLog: ServiceLog;
  readonly refusalLog: RefusalLog;
  /** With it, the service log has no lines for certificates, because the audit says the same and more, and has lines for
   * the same refusals. */
  readonly audit?: Audit | undefined;
}

/** Keeps each decision: {@link DecisionRecords}, or what hands it to the thread that has them. */
export interface Records {
  /** Before the certificate leaves. Where this returns a promise, the certificate has to wait for it, and does not leave when
   * it is rejected. */
  audit(decision: IssuedDecision): Promise<void> | undefined;
  /** As the certificate leaves. */
  issued(decision: ReleasedDecision): void;
  /** As the refusal leaves. */
  refused(decision: RefusedDecision, problem: Problem): void;
}

/** Keeps decisions. */
export class DecisionRecords implements Records {
  readonly #destinations: Destinations;

  constructor(destinations: Destinations) {
    this.#destinations = destinations;
  }

  audit(decision: IssuedDecision): Promise<void> | undefined {
    return this.#destinations.audit?.issued(decision);
  }

  issued(decision: ReleasedDecision): void {
    const { metrics, serviceLog, audit } = this.#destinations;
    metrics.issued(decision);
    if (audit === undefined) serviceLog.issued(decision);
  }

  refused(decision: RefusedDecision, problem: Problem): void {
    this.keep(decision, problem.reason, () => lineOf(decision, problem));
  }

  /** The same of a refusal with this reason; `line` makes its line in the service log, if it has one. */
  keep(decision: RefusedDecision, reason: string, line: () => RefusedLine): void {
    const { metrics, serviceLog, refusalLog, audit } = this.#destinations;
    metrics.refused(decision, reason);
    // A flood fills neither: a refusal that the audit only counts has no line in the service log either.
    const hasLine =
      audit === undefined ? refusalLog.take(decision.issuerBlock, reason) : audit.refused(decision, reason);
    if (hasLine) serviceLog.refused(line());
  }
}

/** The line of the service log about a refusal. An error that an earlier line reported is not reported again. */
export const lineOf = ({ caller, error }: RefusedDecision, problem: Problem): RefusedLine =>
  refusedLine(problem, caller, error, wasReported(error));

/** Faults that a line has reported. An issuer that is down, a replay guard whose thread ended, a log that stopped or an audit
 * that fails is tried once in a while, and until then every request that needs it fails with the one fault of that try:
 * they must not fill the log with it. */
const reported = new WeakSet<Error>();

function wasReported(error: unknown): boolean {
  const fault = lastingFault(error);
  if (fault === undefined) return false;
  if (reported.has(fault)) return true;
  reported.add(fault);
  return false;
}

function lastingFault(error: unknown): Error | undefined {
  if (!(error instanceof MayflyError) || !(error.cause instanceof Error)) return undefined;
  const { cause } = error;
  const lasts = error instanceof LogError || error instanceof AuditError;
  return lasts || cause instanceof IssuerFault || cause instanceof ReplayFault ? cause : undefined;
}
