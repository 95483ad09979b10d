import { LAST_TIME } from '../../core/clock.ts';
import { FormatError } from '../../core/errors.ts';
import type { TlsReader } from '../../core/tls.ts';

/** Reads a time of RFC 6962, uint64 of milliseconds since the epoch. Throws {@link FormatError} for one that no calendar
 * has, so that it can be shown and compared later without another check. */
export function readTime(reader: TlsReader): number {
  const time = reader.uint64();
  if (time > LAST_TIME) throw new FormatError('MALFORMED', 'a time lies after the end of all calendars');
  return time;
}
