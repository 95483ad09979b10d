import { MayflyError } from '../../core/errors.ts';

/** Codes of {@link ReplayFault}: damaged or foreign, the storage underneath failed, too many tokens are held, the guard
 * was closed or its thread ended. */
type ReplayFaultCode =
  'REPLAY_GUARD_CORRUPT' | 'REPLAY_GUARD_STORAGE' | 'REPLAY_GUARD_FULL' | 'REPLAY_GUARD_CLOSED';

/** What is wrong with the replay guard, for the operator; the message names the file. A client gets a PolicyError
 * `REPLAY_GUARD_UNAVAILABLE` instead. */
export class ReplayFault extends MayflyError<ReplayFaultCode> {}
