/** Asks for what stands between a signature and its bundle: a service that is reloaded at that moment is asked again. */
import { RETRY_LIMITS, retryDelay, retrying } from '../../core/retry.ts';
import { exchangeBytes, retryAfterOf, type HttpRequest, type RawAnswer } from '../certificate/http.ts';
import { CommandError } from '../program/command.ts';

/** Times that a service without an answer, or with a fault, is asked. */
const FAULTS = 3;
/** Seconds to wait after a fault that says nothing of when to come back. */
const USUAL_DELAY = 1;
/** Of a server that does not do what is asked, now or later: a log that has ended says so. */
const NOT_IMPLEMENTED = 501;

/** Whether a status says that the fault is not in the request. */
export const isTheirs = (status: number): boolean => status === 429 || status >= 500;

/** An answer with any status. Without one, or with a fault of the service's own, it is asked again, `tries` times in all while it is busy (429, 503) and three times otherwise. Rejects with
 * {@link CommandError} as {@link exchangeBytes}. */
export async function exchangePatiently(
  url: URL,
  what: string,
  request: HttpRequest,
  tries = RETRY_LIMITS.tries,
): Promise<RawAnswer> {
  const send = (): Promise<RawAnswer | CommandError> =>
    exchangeBytes(url, what, request).catch((error: unknown) => {
      if (error instanceof CommandError && error.code === 'UNREACHABLE') return error;
      throw error;
    });
  let faults = 0;
  const delayOf = (outcome: RawAnswer | CommandError): number | undefined => {
    if (outcome instanceof CommandError) return ++faults < FAULTS ? USUAL_DELAY : undefined;
    const { status, headers } = outcome;
    const after = retryAfterOf(headers);
    const busy = retryDelay(status, after);
    if (busy !== undefined || !isTheirs(status) || status === NOT_IMPLEMENTED) return busy;
    return ++faults < FAULTS ? (after ?? USUAL_DELAY) : undefined;
  };
  const outcome = await retrying(send, delayOf, { ...RETRY_LIMITS, tries });
  if (outcome instanceof CommandError) throw outcome;
  return outcome;
}
