import { MayflyError } from '../../core/errors.ts';

/**
 * Codes of {@link LogError}.
 *
 * - `LOG_BUSY`: too much waits already; come back soon.
 * - `LOG_UNAVAILABLE`: nothing can be logged at the moment: the log stopped after a fault and opens its stores again by
 *   itself, unless an operator has to look first, or its keys do not answer.
 * - `LOG_CLOCK`: the clock is behind the last head; nothing was logged, and the log goes on when the clock is right.
 * - `LOG_CLOSED`: the log was closed.
 * - `LOG_FROZEN`: the log has ended, and takes no entries for good; it can be read.
 * - `LOG_LOCKED`: another process (or this one) writes to the same directory.
 * - `LOG_CORRUPT`: what is stored contradicts itself; the message names the file.
 * - `LOG_ROLLED_BACK`: the log was larger before, or was another: an old commit store was put back.
 * - `LOG_COPIED`: the log was copied here, and the other copy may go on.
 * - `LOG_UNSUITABLE_STORAGE`: a file system that cannot promise what the log promises.
 * - `LOG_ELSEWHERE`: the stores of the log are not where the configuration says.
 * - `LOG_EXISTS`, `LOG_MISSING`: there is, or is not, a log in the directory.
 * - `LOG_WRONG_KEY`: the signers are not the keys of this log.
 * - `LOG_HEAD_MOVED`: the stored head is not the one this writer left: somebody else wrote.
 * - `LOG_STALE`: the store holds another head than was loaded from it; nothing was changed, and what it holds can be
 *   loaded and judged again.
 * - `LOG_ENTRY_REFUSED`: this entry can never be logged; others can.
 * - `LOG_CLAIM_TAKEN`: another entry has used up what this one was to use up; this one is not logged.
 * - `LOG_BAD_ORIGIN`: no log can have this origin.
 * - `LOG_STORAGE`: the storage underneath failed.
 */
export type LogReason =
  | 'LOG_BUSY'
  | 'LOG_UNAVAILABLE'
  | 'LOG_CLOCK'
  | 'LOG_CLOSED'
  | 'LOG_FROZEN'
  | 'LOG_LOCKED'
  | 'LOG_CORRUPT'
  | 'LOG_ROLLED_BACK'
  | 'LOG_COPIED'
  | 'LOG_UNSUITABLE_STORAGE'
  | 'LOG_ELSEWHERE'
  | 'LOG_EXISTS'
  | 'LOG_MISSING'
  | 'LOG_WRONG_KEY'
  | 'LOG_HEAD_MOVED'
  | 'LOG_STALE'
  | 'LOG_ENTRY_REFUSED'
  | 'LOG_CLAIM_TAKEN'
  | 'LOG_BAD_ORIGIN'
  | 'LOG_STORAGE';

/** The log cannot be opened or written. */
export class LogError extends MayflyError<LogReason> {
  /** Whether the entry that was to be appended may stand in the log all the same. */
  readonly mayBeLogged: boolean = false;

  /** The same error for an entry that was handed to the store, so that it may stand in the log. */
  ofStored(): LogError {
    const { code, message, hint, metadata, cause } = this;
    return Object.assign(new LogError(code, message, { hint, metadata, cause }), { mayBeLogged: true });
  }
}

/** Codes of {@link LogReadError}: `NOT_READY` passes by itself (the hash index is being rebuilt). */
export type LogReadReason = 'NOT_FOUND' | 'BAD_PARAMETER' | 'NOT_READY';

/** A read that asks for what is not there, or asks wrongly. */
export class LogReadError extends MayflyError<LogReadReason> {}
