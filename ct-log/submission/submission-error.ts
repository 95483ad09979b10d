import { MayflyError } from '../../core/errors.ts';

/**
 * Codes of {@link SubmissionError}.
 *
 * - `SUBMISSION_MALFORMED`: the request is no chain of certificates in DER.
 * - `SUBMISSION_TOO_LARGE`: it has more, or deeper, than is taken.
 * - `SUBMISSION_CHAIN`: the certificates do not lead to a root, each by the next one's signature.
 * - `SUBMISSION_ROOT_UNKNOWN`: they lead to a root that is not listed.
 * - `SUBMISSION_TYPE`: a certificate in the place of a precertificate, or the other way round.
 * - `SUBMISSION_USAGE`: it is for another use than those that are listed.
 * - `SUBMISSION_OWN`: it is of the CA of the log itself, which logs what it issues.
 * - `SUBMISSION_RATE_LIMITED`, `SUBMISSION_BUSY`: come back later.
 */
export type SubmissionReason =
  | 'SUBMISSION_MALFORMED'
  | 'SUBMISSION_TOO_LARGE'
  | 'SUBMISSION_CHAIN'
  | 'SUBMISSION_ROOT_UNKNOWN'
  | 'SUBMISSION_TYPE'
  | 'SUBMISSION_USAGE'
  | 'SUBMISSION_OWN'
  | 'SUBMISSION_RATE_LIMITED'
  | 'SUBMISSION_BUSY';

/** Why the log does not take what another CA hands in. */
export class SubmissionError extends MayflyError<SubmissionReason> {}
