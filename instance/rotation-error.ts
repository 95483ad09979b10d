import { MayflyError } from '../core/errors.ts';

/** A log, a CA or a key for timestamps cannot be staged, put in use or given up as asked. Nothing was changed. */
export class RotationError extends MayflyError<'REFUSED'> {}
