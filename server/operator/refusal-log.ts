/**
 * Budgets for the lines of the service log that untrusted clients cause: they can be refused, or ask for a file of the log
 * that is lost, any number of times a second. What is over a budget is counted.
 */
import { RefusalBudget } from '../../audit/refusal-budget.ts';
import type { Clock } from '../../core/clock.ts';
import { causeText, type ServiceLog } from './service-log.ts';

/** Lines for each reason of each issuer block: the audit's default. */
const PER_MINUTE = 60;

/** Lines a minute for failed reads of each endpoint. */
const READS_PER_MINUTE = 10;

/** Milliseconds between two summaries. */
const SUMMARY = 60_000;

/** Says which refusals have a line of their own, and sums up the others in a line for each reason of each issuer block. */
export class RefusalLog {
  readonly #log: ServiceLog;
  readonly #budget: RefusalBudget;
  readonly #summaries: NodeJS.Timeout;

  constructor(log: ServiceLog, clock: Clock, summaryMs = SUMMARY) {
    this.#log = log;
    this.#budget = new RefusalBudget(PER_MINUTE, clock);
    this.#summaries = setInterval(() => {
      this.#sumUp();
    }, summaryMs).unref();
  }

  /** Whether a refusal may have a line; else it is counted. `issuerBlock` is the one of the token, undefined before it is
   * verified. */
  take(issuerBlock: string | undefined, reason: string): boolean {
    return this.#budget.take(issuerBlock, reason);
  }

  /** Writes the last summary. */
  close(): void {
    clearInterval(this.#summaries);
    this.#sumUp();
  }

  #sumUp(): void {
    for (const { entry, reason, count, from, to } of this.#budget.takeSuppressed()) {
      const [first, last] = [new Date(from).toISOString(), new Date(to).toISOString()];
      this.#log.note('warn', 'suppressed', { entry, reason, count, from: first, to: last });
    }
  }
}

/** Writes a line for a read of the log that failed by a fault of the service, or counts it for the next line of the same
 * endpoint. */
export function createReadFaults(
  serviceLog: ServiceLog,
  clock: Clock,
): (endpoint: string, error: unknown) => void {
  const budget = new RefusalBudget(READS_PER_MINUTE, clock);
  const withoutLine = new Map<string, number>();
  return (endpoint, error) => {
    const count = withoutLine.get(endpoint) ?? 0;
    if (!budget.take(undefined, endpoint)) {
      withoutLine.set(endpoint, count + 1);
      return;
    }
    withoutLine.delete(endpoint);
    const facts = { endpoint, cause: causeText(error) };
    serviceLog.note('error', 'log read failed', count === 0 ? facts : { ...facts, withoutLine: count });
  };
}
