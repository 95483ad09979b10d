/**
 * Lines of the service log for refusals, within a budget: an untrusted client can be refused any number of times a second.
 * Each reason of each entry gets as many lines a minute as in the audit by default; the rest is counted in a summary line.
 */
import { RefusalBudget } from '../../audit/refusal-budget.ts';
import type { Clock } from '../../core/clock.ts';
import type { RefusedLine, RequestLog } from './request-log.ts';

/** Lines for each reason of each entry: the audit's default. */
const PER_MINUTE = 60;

/** Milliseconds between two summaries. */
const SUMMARY = 60_000;

/** See the top of the file. */
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

  /** Writes or counts a refusal. `entry` is the configuration's entry of the token, undefined before it is verified. `line`
   * is called only when it is written. */
  refused(entry: string | undefined, reason: string, line: () => RefusedLine): void {
    if (this.#budget.take(entry, reason)) this.#log.refused(line());
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
