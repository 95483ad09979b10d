/** What is kept of each submission to the log: numbers, the audit, and lines of the service log. */
import { hash } from 'node:crypto';
import type { Audit } from '../../audit/audit.ts';
import type { SubmittedDecision } from '../../audit/entry-decision.ts';
import { toHex } from '../../core/bytes.ts';
import { describeName } from '../../core/distinguished-name.ts';
import { FormatError } from '../../core/errors.ts';
import type { LoggedSubmission } from '../../ct-log/submission/submissions.ts';
import type { SubmittedEntry } from '../../ct-log/submission/submitted-chain.ts';
import type { HttpCaller } from '../http/http-caller.ts';
import type { RefusalLog } from '../operator/refusal-log.ts';
import { refusedLine } from '../operator/refused-line.ts';
import type { ServiceLog } from '../operator/service-log.ts';
import type { SubmissionMetrics } from '../operator/submission-metrics.ts';
import type { Problem } from '../reasons/problem.ts';

/** Where it is kept. */
interface SubmissionDestinations {
  readonly metrics: Pick<SubmissionMetrics, 'logged' | 'refused'>;
  readonly serviceLog: ServiceLog;
  readonly refusalLog: RefusalLog;
  /** With it, the service log has no lines for entries, and lines for the same refusals. */
  readonly audit?: Audit | undefined;
}

/** Keeps them, for one log. */
export class SubmissionRecords {
  readonly #log: string;
  readonly #destinations: SubmissionDestinations;

  /** `name` is what the directory of the log is called. */
  constructor(name: string, destinations: SubmissionDestinations) {
    this.#log = `log/${name}`;
    this.#destinations = destinations;
  }

  /** Throws AuditError where an entry could not be recorded: it is not to be logged either. */
  requireRecordable(): void {
    const refusal = this.#destinations.audit?.refusal();
    if (refusal !== undefined) throw refusal;
  }

  /** Whether no answer may leave before its line is written. */
  get isFailClosed(): boolean {
    return this.#destinations.audit?.isFailClosed === true;
  }

  /** Before the SCT leaves. The answer has to wait for what this returns; it rejects with AuditError. */
  async logged(
    submitted: SubmittedEntry,
    { index, isNew }: LoggedSubmission,
    caller: HttpCaller,
    needsLine: boolean,
  ): Promise<void> {
    const { metrics } = this.#destinations;
    metrics.logged(isNew, caller.ms / 1000);
    if (needsLine) await this.#record(this.#decision(submitted, index, caller));
  }

  /** A refusal left. */
  refused(problem: Problem, error: unknown, caller: HttpCaller): void {
    const { metrics, serviceLog, refusalLog, audit } = this.#destinations;
    const { reason } = problem;
    metrics.refused(reason);
    const hasLine =
      audit === undefined
        ? refusalLog.take(this.#log, reason)
        : audit.entryRefused({ caller, log: this.#log }, reason);
    if (hasLine) serviceLog.refused(refusedLine(problem, caller, error));
  }

  #record(decision: SubmittedDecision): Promise<void> | undefined {
    const { serviceLog, audit } = this.#destinations;
    if (audit !== undefined) return audit.submitted(decision);
    const { caller, ...facts } = decision;
    serviceLog.note('info', 'submission', { requestId: caller.requestId, client: caller.address, ...facts });
    return undefined;
  }

  #decision(
    { kind, certificate, entry }: SubmittedEntry,
    leafIndex: number,
    caller: HttpCaller,
  ): SubmittedDecision {
    return {
      caller,
      log: this.#log,
      leafIndex,
      kind,
      authority: nameOf(certificate.issuer),
      serial: toHex(certificate.serial),
      certificateSha256: hash('sha256', certificate.der, 'hex'),
      chainSha256: toHex(entry.chainFingerprints.subarray(0, 32)),
    };
  }
}

function nameOf(name: Uint8Array): string {
  try {
    return describeName(name);
  } catch (error) {
    if (error instanceof FormatError) return '';
    throw error;
  }
}
