import type { Socket } from 'node:net';

/** Signing requests of one connection take turns. A client that sends several at once is served one after the other, and
 * delays other clients by one request only. */
export class ConnectionTurns {
  /** By connection, the requests that wait for the one that has the turn. */
  readonly #waiting = new WeakMap<Socket, (() => void)[]>();

  /** Whether a request of the connection has the turn. */
  isTaken(socket: Socket): boolean {
    return this.#waiting.has(socket);
  }

  /** Calls `begin` when the requests before it are done: at once when there are none. {@link end} has to follow. */
  begin(socket: Socket, begin: () => void): void {
    const waiting = this.#waiting.get(socket);
    if (waiting !== undefined) {
      waiting.push(begin);
      return;
    }
    this.#waiting.set(socket, []);
    begin();
  }

  /** The request that has the turn is answered, or never will be. */
  end(socket: Socket): void {
    const next = this.#waiting.get(socket)?.shift();
    if (next === undefined) this.#waiting.delete(socket);
    else next();
  }
}
