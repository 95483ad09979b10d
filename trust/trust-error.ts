import { MayflyError } from '../core/errors.ts';

/** Codes of {@link TrustError}. */
export type TrustReason = 'CHAIN_UNREADABLE' | 'CHAIN_MALFORMED';

/** What verifiers should trust cannot be read. */
export class TrustError extends MayflyError<TrustReason> {}
