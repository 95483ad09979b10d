/** Lines about reads of the log that fail for a fault of ours. A lost file fails as often as anybody asks for it, and the
 * service log must not grow with the asking. */
import { RefusalBudget } from '../../audit/refusal-budget.ts';
import type { Clock } from '../../core/clock.ts';
import { causeText, type RequestLog } from '../operator/request-log.ts';

/** Lines of each endpoint a minute. */
const LINES_PER_MINUTE = 10;

/** Writes a line for a failed read, or counts it for the next line of the same endpoint. */
export function createReadFaults(
  requestLog: RequestLog,
  clock: Clock,
): (endpoint: string, error: unknown) => void {
  const budget = new RefusalBudget(LINES_PER_MINUTE, clock);
  const withoutLine = new Map<string, number>();
  return (endpoint, error) => {
    const count = withoutLine.get(endpoint) ?? 0;
    if (!budget.take(undefined, endpoint)) {
      withoutLine.set(endpoint, count + 1);
      return;
    }
    withoutLine.delete(endpoint);
    const facts = { endpoint, cause: causeText(error), ...(count === 0 ? {} : { withoutLine: count }) };
    requestLog.note('error', 'log read failed', facts);
  };
}
