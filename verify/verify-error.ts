import { MayflyError } from '../core/errors.ts';

/** `REFUSED`: a check says no; becomes a failed step. `BAD_TRUST`: what the verifier is to trust is wrong, so that
 * nothing can be judged. `BAD_DENY_LIST`: the same of what it is not to believe. */
export type VerifyCode = 'REFUSED' | 'BAD_TRUST' | 'BAD_DENY_LIST';

/** Why a verification fails or cannot be done. */
export class VerifyError extends MayflyError<VerifyCode> {}

/** The error of a check that says no. */
export const refused = (message: string): VerifyError => new VerifyError('REFUSED', message);
