/** Signing requests of one connection take turns. A client that sends several at once is served one after the other, and
 * delays other clients by one request only. */
export class ConnectionTurns {
  /** By connection, the requests that wait for the one that has the turn. */
  readonly #waiting = new WeakMap<object, (() => void)[]>();

  /** Whether a request of the connection has the turn. */
  isTaken(connection: object): boolean {
    return this.#waiting.has(connection);
  }

  /** Calls `begin` when the requests before it are done: at once when there are none. {@link end} has to follow. */
  begin(connection: object, begin: () => void): void {
    const waiting = this.#waiting.get(connection);
    if (waiting !== undefined) {
      waiting.push(begin);
      return;
    }
    this.#waiting.set(connection, []);
    begin();
  }

  /** The request that has the turn is answered, or never will be. */
  end(connection: object): void {
    const next = this.#waiting.get(connection)?.shift();
    if (next === undefined) this.#waiting.delete(connection);
    else next();
  }
}
