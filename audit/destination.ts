/** Where lines end up, as {@link LineQueue} sees it. */
export interface Destination {
  readonly name: 'stdout' | 'file' | 'syslog';
  /** Takes lines without newlines, the oldest first; resolves when it has all of them. After a rejection it may have
   * some, and those that still matter are handed in again. Never called twice at the same time. */
  deliver(lines: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

/** Tells the operator about something that is not a decision. */
export type Note = (
  level: 'info' | 'warn' | 'error',
  event: string,
  facts: Readonly<Record<string, unknown>>,
) => void;
