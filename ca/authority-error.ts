import { MayflyError } from '../core/errors.ts';

/** Codes of {@link AuthorityError}. */
export type AuthorityReason =
  | 'CHAIN_EMPTY'
  | 'CHAIN_MALFORMED'
  | 'CHAIN_BROKEN'
  | 'CHAIN_EXPIRED'
  | 'CHAIN_NOT_YET_VALID'
  | 'NOT_A_CA'
  | 'PATH_TOO_LONG'
  | 'KEY_USAGE'
  | 'BASIC_CONSTRAINTS'
  | 'NAME_CONSTRAINTS'
  | 'NOT_A_ROOT'
  | 'EXTENDED_KEY_USAGE'
  | 'CRITICAL_EXTENSION'
  | 'KEY_MISMATCH'
  | 'KEY_UNSUITABLE';

/** A CA chain and key that must not issue: found at start, so that no client finds it. */
export class AuthorityError extends MayflyError<AuthorityReason> {}
