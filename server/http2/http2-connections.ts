/**
 * Connections that speak HTTP/2, with their limits. They are in the same accounts as those of HTTP/1, so that one guard closes
 * the idle ones and one drain ends them all.
 */
import type { Socket } from 'node:net';
import { Http2Connection, type OnFault, type OnRequest, type ProxiedClients } from './http2-connection.ts';

/** Connections of a service that speak HTTP/2, of all its listeners. A session holds some 50 KB beside its TLS. */
export const MAX_SESSIONS = 1024;

/** Milliseconds between two looks at the connections. */
const CHECK_INTERVAL = 1_000;

/** The connections of a service that speak HTTP/2, of whatever listener. */
export class Http2Connections {
  readonly #open = new Set<Http2Connection>();
  readonly #idleMs: number;
  readonly #onRequest: OnRequest;
  readonly #onFault: OnFault | undefined;
  readonly #clients: ProxiedClients | undefined;
  readonly #maxSessions: number;
  #checks: NodeJS.Timeout | undefined;

  /** `onRequest` is called for each head, and `onFault` with what it or a listener of a stream throws; an idle connection is kept for
   * `idleMs` milliseconds. */
  constructor(
    idleMs: number,
    onRequest: OnRequest,
    maxSessions = MAX_SESSIONS,
    onFault?: OnFault,
    clients?: ProxiedClients,
  ) {
    this.#maxSessions = maxSessions;
    this.#onFault = onFault;
    this.#clients = clients;
    this.#idleMs = idleMs;
    this.#onRequest = onRequest;
  }

  /** Open connections. */
  get size(): number {
    return this.#open.size;
  }

  /** Speaks HTTP/2 on a connection, which has its account already. */
  readonly serve = (socket: Socket): void => {
    if (socket.destroyed) return;
    this.#attempt(socket, () => {
      this.#add(socket);
    });
  };

  #add(socket: Socket): void {
    // First, so that what is over the limit costs nothing.
    if (this.#open.size >= this.#maxSessions) {
      const closed = this.#toClose();
      if (closed === undefined) {
        socket.destroy();
        return;
      }
      closed.socket.destroy();
      this.#open.delete(closed);
    }
    const connection = new Http2Connection(socket, this.#onRequest, this.#onFault, this.#clients);
    this.#open.add(connection);
    this.#checks ??= setInterval(this.#check, CHECK_INTERVAL).unref();
    socket.once('close', () => {
      this.#open.delete(connection);
      if (this.#open.size > 0) return;
      clearInterval(this.#checks);
      this.#checks = undefined;
    });
  }

  /** Announces the end to every client. */
  end(): void {
    for (const connection of this.#open) connection.end();
  }

  /** The oldest for which no answer is being made, of those without a certificate if there are any. */
  #toClose(): Http2Connection | undefined {
    let proven: Http2Connection | undefined;
    for (const one of this.#open) {
      if (one.isWorking) continue;
      if (!one.isProven) return one;
      proven ??= one;
    }
    return proven;
  }

  /** Does a piece of work for one connection, which alone ends when it throws. */
  #attempt(socket: Socket, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#onFault?.(error);
      socket.destroy();
    }
  }

  readonly #check = (): void => {
    const now = performance.now();
    for (const connection of this.#open)
      this.#attempt(connection.socket, () => {
        connection.check(now, this.#idleMs);
      });
  };
}
