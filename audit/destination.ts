/** What other programs did to the file of a destination, and what it could not do itself, since the start. */
export interface FileIncidents {
  /** Cut off in place, as `logrotate` does with `copytruncate`: lines that were written meanwhile may be lost. */
  readonly truncated: number;
  readonly deleted: number;
  /** Could not be rotated, so that it goes on growing; or old ones could not be removed. */
  readonly notRotated: number;
  /** When lines may have been lost by the first two, milliseconds since the epoch; undefined: never. */
  readonly lastLoss: number | undefined;
}

/** Where lines end up, as {@link LineQueue} sees it. */
export interface Destination {
  readonly name: 'stdout' | 'file' | 'syslog' | 'database';
  /** Takes lines without newlines, the oldest first; resolves when it has all of them. After a rejection it may have
   * some, and those that still matter are handed in again. Never called twice at the same time. */
  deliver(lines: readonly string[]): Promise<void>;
  close(): Promise<void>;
  /** Of a file. */
  readonly incidents?: () => FileIncidents;
}

/** Writes a line for the operator about something that is not a decision. */
export type Note = (
  level: 'info' | 'warn' | 'error',
  event: string,
  facts: Readonly<Record<string, unknown>>,
) => void;
