import { MayflyError } from '../core/errors.ts';

/** Why there is no timestamp. */
export type TimestampReason =
  | 'TIMESTAMP_MALFORMED'
  | 'TIMESTAMP_UNSUPPORTED'
  | 'TIMESTAMP_ALGORITHM_REFUSED'
  | 'TIMESTAMP_DIGEST_LENGTH'
  | 'TIMESTAMP_POLICY_REFUSED'
  | 'TIMESTAMP_EXTENSION_REFUSED'
  | 'TIMESTAMP_CONTENT_TYPE'
  | 'TIMESTAMP_RATE_LIMITED'
  | 'TIMESTAMP_CLOCK'
  | 'TIMESTAMP_CERTIFICATE'
  | 'TIMESTAMP_KEY';

/** A request for a timestamp that is refused. The sentence repeats nothing of the request. */
export class TimestampError extends MayflyError<TimestampReason> {}
