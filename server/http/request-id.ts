import { randomUUID } from 'node:crypto';

/** What a caller's own id may look like: it is repeated in a header and in the log, so nothing in it may have a
 * meaning there. */
const ACCEPTABLE = /^[\w.:~+/=@-]{1,128}$/;

/** The id under which answer, log line and error details speak of a request: the caller's `X-Request-Id` if it is
 * harmless, else a new one. */
export function requestIdOf(header: string | string[] | undefined): string {
  return typeof header === 'string' && ACCEPTABLE.test(header) ? header : randomUUID();
}
