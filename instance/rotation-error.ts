import { MayflyError } from '../core/errors.ts';

/** A log cannot be staged, or not be put in use, as asked. Nothing was changed. */
export class RotationError extends MayflyError<'REFUSED'> {}
