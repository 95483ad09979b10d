/**
 * A budget for the lines of refusals in the service log: an untrusted client can be refused any number of times a second.
 * Each reason of each issuer block gets as many lines a minute as in the audit by default; the rest is counted in a summary
 * line.
 */
import { RefusalBudget } from '../../audit/refusal-budget.ts';
import type { Clock } from '../../core/clock.ts';
import type { RequestLog } from './request-log.ts';

/** Lines for each reason of each issuer block: the audit's default. */
const PER_MINUTE = 60;

/** Milliseconds between two summaries. */
const SUMMARY = 60_000;

/** Says which refusals have a line of their own, and sums up the others. */
export class RefusalLog {
  readonly #log: RequestLog;
  readonly #budget: RefusalBudget;
  readonly #summaries: NodeJS.Timeout;

  constructor(log: RequestLog, clock: Clock, summaryMs = SUMMARY) {
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
