import { MayflyError } from '../core/errors.ts';

/** Codes of {@link CeremonyError}. */
type CeremonyReason = 'KEY_TYPE_UNSUITABLE' | 'NAME_UNSUITABLE' | 'CHAIN_MISSING' | 'REQUEST_UNSUITABLE';

/** A CA that cannot be made or adopted as asked. */
export class CeremonyError extends MayflyError<CeremonyReason> {}
