import { MayflyError } from '../core/errors.ts';

/** Codes of {@link RequestError}. */
export type RequestReason =
  | 'KEY_MISSING'
  | 'KEY_MALFORMED'
  | 'KEY_INSECURE'
  | 'KEY_UNSUPPORTED'
  | 'PROOF_INVALID'
  | 'CSR_NOT_ACCEPTED'
  | 'CSR_MALFORMED'
  | 'CSR_SIGNATURE_INVALID'
  | 'CSR_ALGORITHM_UNRECOGNIZED'
  | 'ALGORITHM_NOT_PERMITTED'
  | 'IDENTITY_UNENCODABLE'
  | 'IDENTITY_TOO_LARGE'
  | 'ISSUER_MISSING'
  | 'AUTHORITY_EXPIRED'
  | 'AUTHORITY_NOT_YET_VALID';

/**
 * A request that gets no certificate. The message of `CSR_ALGORITHM_UNRECOGNIZED`, `ALGORITHM_NOT_PERMITTED`,
 * `ISSUER_MISSING`, and of `IDENTITY_UNENCODABLE` where the name is not ASCII, is Fulcio's own text, because it has
 * variable parts that clients may look for.
 */
export class RequestError extends MayflyError<RequestReason> {}
