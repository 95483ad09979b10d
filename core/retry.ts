/** How a client of ours tries again when a server asks it to come back later. */

/** How often a request is sent, and for how many seconds it waits in all between these times. */
interface RetryLimits {
  readonly tries: number;
  readonly seconds: number;
}

/** What a person is willing to wait for: a service that is busy has time again within seconds. */
export const RETRY_LIMITS: RetryLimits = { tries: 10, seconds: 30 };

/** Seconds to wait after a status that says "later" without saying when. */
const DEFAULT_DELAY = 1;

/** Whole seconds from `now` (milliseconds since the epoch) that a `Retry-After` header says: seconds or a date, as proxies
 * also write it. Undefined for anything else. */
export function retryAfterSeconds(header: string | null, now: number): number | undefined {
  if (header === null) return undefined;
  if (/^\d{1,9}$/.test(header)) return Number(header);
  const date = header.endsWith(' GMT') ? Date.parse(header) : NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil((date - now) / 1000));
}

/** Seconds after which a request with this answer is worth another try; undefined when it is not: the status is neither
 * 429 nor 503. */
export function retryDelay(status: number, retryAfter: number | undefined): number | undefined {
  return status === 429 || status === 503 ? (retryAfter ?? DEFAULT_DELAY) : undefined;
}

/** Calls `attempt` until `delayOf` says of its answer that it is final (undefined), or the limits are reached. Returns the
 * last answer; a delay that does not fit into the limits is not waited for, and one that `signal` cuts short ends at once. */
export async function retrying<T>(
  attempt: () => Promise<T>,
  delayOf: (answer: T) => number | undefined,
  { tries, seconds }: RetryLimits = RETRY_LIMITS,
  signal?: AbortSignal,
): Promise<T> {
  let left = seconds;
  for (let tried = 1; ; tried++) {
    const answer = await attempt();
    const delay = delayOf(answer);
    if (delay === undefined || tried >= tries || delay > left) return answer;
    left -= delay;
    await waited(delay * 1000, signal);
  }
}

function waited(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener('abort', end);
    if (signal?.aborted === true) end();
  });
}
