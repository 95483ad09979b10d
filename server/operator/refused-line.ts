/** The line of the service log about a refusal, whatever was asked and by which protocol. */
import type { Problem } from '../reasons/problem.ts';
import type { RefusalLog } from './refusal-log.ts';
import { roundedMs, type RefusedLine, type ServiceLog } from './service-log.ts';

/** Who was refused. */
interface RefusedCaller {
  readonly requestId: string;
  readonly address: string;
  /** Milliseconds since the request came in. */
  readonly ms: number;
}

/** The line. `isRepeated` says that an earlier line reported the same fault. */
export function refusedLine(
  { status, reason, sentence, isOurs }: Problem,
  { requestId, address, ms }: RefusedCaller,
  error: unknown,
  isRepeated = false,
): RefusedLine {
  return {
    requestId,
    client: address,
    status,
    reason,
    sentence,
    ms: roundedMs(ms),
    level: isOurs && !isRepeated ? 'error' : 'warn',
    // What lies under a caller's fault may quote the caller; what lies under ours is needed to fix it.
    cause: isOurs && !isRepeated ? error : undefined,
  };
}

/** Logs a refusal that no decision is about, if it is an unforeseen fault of ours: with a line for each wrong path or call, untrusted clients could fill the log. */
export function logUnforeseen(
  problem: Problem,
  caller: RefusedCaller,
  error: unknown,
  { serviceLog, refusalLog }: { readonly serviceLog: ServiceLog; readonly refusalLog: RefusalLog },
): void {
  if (problem.reason === 'INTERNAL' && refusalLog.take(undefined, problem.reason))
    serviceLog.refused(refusedLine(problem, caller, error));
}
