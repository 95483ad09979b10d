import { MayflyError } from '../core/errors.ts';
import { describeWindow, type Window } from '../trust/format/trusted-root.ts';

/** A log, a CA or a key for timestamps cannot be staged, put in use or given up as asked. Nothing was changed. */
export class RotationError extends MayflyError<'REFUSED'> {}

/** The error for something staged that verifiers do not trust at this time. */
export const notTrustedNow = (what: string, window: Window, hint: string): RotationError =>
  new RotationError('REFUSED', `${what} is trusted ${describeWindow(window)}, not now`, { hint });
