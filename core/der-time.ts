/** Times of certificates (RFC 5280 §4.1.2.5): UTCTime `YYMMDDHHMMSSZ` and GeneralizedTime `YYYYMMDDHHMMSSZ`. */
import { utf8Text } from './bytes.ts';
import { parseRfc3339 } from './clock.ts';
import { type Tlv } from './der-reader.ts';
import { Tag } from './der-tag.ts';
import { FormatError } from './errors.ts';

const UTC_TIME = /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/;
const GENERALIZED_TIME = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/;

/** Milliseconds since the epoch of a Time in the only forms that RFC 5280 allows: whole seconds, in UTC. Throws
 * {@link FormatError} on any other form and on a day or hour that does not exist. */
export function readTime(time: Tlv): number {
  const pattern = time.tag === Tag.utcTime ? UTC_TIME : GENERALIZED_TIME;
  if (time.tag !== Tag.utcTime && time.tag !== Tag.generalizedTime) {
    throw new FormatError('MALFORMED', 'a time is neither UTCTime nor GeneralizedTime');
  }
  const match = pattern.exec(utf8Text(time.value));
  if (match === null) throw new FormatError('MALFORMED', 'a time has a form that certificates do not allow');
  const [, year = '', month = '', day = '', hour = '', minute = '', second = ''] = match;
  const fullYear = year.length === 4 ? year : `${year >= '50' ? '19' : '20'}${year}`;
  const ms = parseRfc3339(`${fullYear}-${month}-${day}T${hour}:${minute}:${second}Z`);
  if (ms === undefined) {
    throw new FormatError('MALFORMED', 'a time names a day or an hour that does not exist');
  }
  return ms;
}
