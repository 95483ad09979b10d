import type { AnchorStatus } from './anchored-head.ts';
import type { WitnessesStatus } from './sequence/witnesses.ts';
import type { UnreadableFiles } from './tree/required-files.ts';

/**
 * What of a copy of the log is noticed: `accidents`, files that were copied to another machine; `asynchronous`, by what is looked at after a commit; `synchronous`, nothing is released that another copy contradicts; `database`,
 * the log is in a database, which copies of the directory share.
 */
export type CopyProtection = 'accidents' | 'asynchronous' | 'synchronous' | 'database';

/** How a log is doing. What is wrong is for the operator; each is absent while all is well. */
export interface LogStatus {
  readonly size: number;
  readonly root: Uint8Array;
  /** Milliseconds since the epoch, of the newest head. */
  readonly timestamp: number;
  /** Entries that wait for their commit. */
  readonly queued: number;
  /** Full tiles that are not durable as files yet; their entries are, in the commit store. */
  readonly tileBacklog: number;
  /** Bytes of the commit store that wait to be moved to their place. */
  readonly walBytes: number;
  /** When the log ended, milliseconds since the epoch; absent while it goes on. */
  readonly frozenAt?: number;
  /** How often the log has stopped since it was opened, and why it did the last time. */
  readonly stops: number;
  readonly lastStop?: string;
  /** Why the log has stopped. It opens its files again by itself. */
  readonly failed?: string;
  /** Why it does not: an operator has to look, and to start it again. */
  readonly blocked?: string;
  /** Why a committed head is not signed; it is tried again. Who waits for it is refused after a while. */
  readonly signingFailure?: string;
  /** Why the clock is not trusted, or is behind the newest head: nothing is logged meanwhile. */
  readonly clockFailure?: string;
  /** Why tiles cannot be written at the moment. */
  readonly tileFailure?: string;
  /** Why leaf hashes cannot be looked up. */
  readonly indexFailure?: string;
  /** Why the checkpoint file, or the one in the store that others read, is older than it should be. */
  readonly checkpointFailure?: string;
  /** Why the store that others read does not have what the log says of itself. */
  readonly descriptionFailure?: string;
  /** Absent for a log that was ended and is only read. */
  readonly copies?: CopyProtection;
  /** How its anchor is doing; absent without one. */
  readonly anchor?: AnchorStatus;
  /** Why an asynchronous anchor is older than it should be. */
  readonly anchorFailure?: string;
  /** How its witnesses do; absent where it has none. */
  readonly witnesses?: WitnessesStatus;
  /** Files that reads could not have. */
  readonly unreadable?: UnreadableFiles;
  /** Why the commit store grows. */
  readonly storeGrowth?: string;
}

/** The fields of a status that may be absent. */
type Optional<T> = { [K in keyof T as undefined extends T[K] ? K : never]: T[K] | undefined };

/** Leaves out what is undefined: nothing is wrong there. */
export const whatIsWrong = (fields: Optional<LogStatus>): Partial<LogStatus> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
