/** Which entries still need a line of the audit before an answer about them may leave. */

/** Keys that are remembered of each kind. While a line cannot be written, or an entry not be stored, further ones are refused before they are logged. */
const MOST = 16_384;

/** What the endpoints of one log know of it, by a key of each entry. */
export class OwedLines {
  /** In the log, or may be, without a line. */
  readonly #owed = new Set<string>();
  /** Of logs that several services write: those whose line this service wrote. */
  readonly #written = new Set<string>();
  readonly #isFailClosed: boolean;

  constructor(isFailClosed: boolean) {
    this.#isFailClosed = isFailClosed;
  }

  /** Whether the entry needs a line although it was in the log before. Fail-closed, one of a log that several services write does, unless this service wrote it: the one that logged it may have ended
   * before, or could not write it. So it can have a line of several services. */
  isOwed(key: string, { isShared }: { readonly isShared: boolean }): boolean {
    return this.#owed.has(key) || (this.#isFailClosed && isShared && !this.#written.has(key));
  }

  /** It is in the log, or may be, and has no line. */
  owe(key: string): void {
    this.#written.delete(key);
    remember(this.#owed, key);
  }

  /** Its line is written, by this service. */
  written(key: string, { isShared }: { readonly isShared: boolean }): void {
    this.#owed.delete(key);
    if (this.#isFailClosed && isShared) remember(this.#written, key);
  }
}

/** The one that came first goes. */
function remember(keys: Set<string>, key: string): void {
  if (keys.has(key)) return;
  const [oldest] = keys;
  if (oldest !== undefined && keys.size >= MOST) keys.delete(oldest);
  keys.add(key);
}
