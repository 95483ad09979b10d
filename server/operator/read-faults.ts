/** Lines about reads of the log that fail by a fault of the service. A read of a lost file fails each time that a client
 * asks for it, so that the number of lines has a limit. */
import { RefusalBudget } from '../../audit/refusal-budget.ts';
import type { Clock } from '../../core/clock.ts';
import { causeText, type RequestLog } from './request-log.ts';

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
    const facts = { endpoint, cause: causeText(error) };
    requestLog.note('error', 'log read failed', count === 0 ? facts : { ...facts, withoutLine: count });
  };
}
