import { MayflyError } from '../../core/errors.ts';

/** What can be wrong with a request before its token and key are read, or with the server itself. */
export type TransportReason =
  | 'BODY_MALFORMED'
  | 'BODY_TOO_LARGE'
  | 'NOT_FOUND'
  | 'METHOD_NOT_ALLOWED'
  | 'HOST_REFUSED'
  | 'TOO_BUSY'
  | 'DEADLINE_EXCEEDED'
  | 'INTERNAL';

/** A refusal that has nothing to do with what the request says of token and key. Its protocol refuses it, or the server is
 * too busy or failed, whatever the protocol. The sentence never repeats the body: a token may be in it. */
export class TransportError extends MayflyError<TransportReason> {}
