import { MayflyError, type ErrorDetails } from '../core/errors.ts';

/** `REFUSED`: a check says no; becomes a failed step. `BAD_TRUST`: what the verifier is to trust is wrong, so that
 * nothing can be judged. `BAD_DENY_LIST`: the same of what it is not to believe. */
export type VerifyCode = 'REFUSED' | 'BAD_TRUST' | 'BAD_DENY_LIST';

/**
 * With whom a refusal lies: the `certificate` and what came with it, the `policy` (a certificate that is genuine, but not one that was asked
 * for), the `trust` (the CA or log is one that newer trust material may know; who holds old material sees it refuse good certificates), or the
 * `clock` (what was signed is of a time that this machine says is still to come: one of the two is wrong).
 */
export type Fault = 'certificate' | 'policy' | 'trust' | 'clock';

/** Why a verification fails or cannot be done. */
export class VerifyError extends MayflyError<VerifyCode> {
  /** Of a refusal. */
  readonly fault: Fault;

  constructor(code: VerifyCode, message: string, details: ErrorDetails & { readonly fault?: Fault } = {}) {
    super(code, message, details);
    this.fault = details.fault ?? (code === 'BAD_TRUST' ? 'trust' : 'certificate');
  }
}

/** The error of a check that says no. */
export const refused = (message: string, fault: Fault = 'certificate'): VerifyError =>
  new VerifyError('REFUSED', message, { fault });
