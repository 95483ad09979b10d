import type { CtLog } from '../../ct-log/ct-log.ts';

/** A log as it is served. */
export type ServedLog = Pick<CtLog, 'identity' | 'reader'>;

/**
 * What a log is to its service.
 *
 * - `current`: certificates go there.
 * - `staged`: it is to follow; nothing was logged there yet.
 * - `ending`: it was in use before, and its end is not noted yet.
 * - `frozen`: it has ended, and never changes again.
 */
export type LogState = 'current' | 'staged' | 'ending' | 'frozen';

/** A log in the list of all. */
export interface ListedLog {
  readonly identity: ServedLog['identity'];
  readonly state: LogState;
}

/** The logs of a service beside the one in use. They are only read. */
export interface OtherLogReads {
  /** Those that were read so far. */
  known(): readonly ServedLog['identity'][];
  /** Those that can be read, oldest first. */
  list(): Promise<readonly ListedLog[]>;
  /** The log of that name, from untrusted text; undefined when there is none. Rejects with LogError when it cannot be read. */
  open(name: string): Promise<ServedLog | undefined>;
}
