import { MayflyError } from '../core/errors.ts';

/** Codes of {@link ReleaseError}. */
type ReleaseReason =
  'NOT_PROVEN' | 'NOT_COMMITTED' | 'TBS_MISMATCH' | 'LEAF_MISMATCH' | 'SCT_OUTSIDE_VALIDITY';

/** A check before release failed: a fault of ours, never of the client. No certificate leaves. */
export class ReleaseError extends MayflyError<ReleaseReason> {}
