/** An orderly end of a listener: requests under way are answered, and no client can delay the end without limit. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Server, type Socket } from 'node:net';
import { accountOf } from './connection-account.ts';
import { takeNoMore } from './parser-limits.ts';

/** Milliseconds that a client has for the rest of its request. */
const SENDING = 1_000;

/** Milliseconds that a client has for reading its answers, from when the last one is made. */
const READING = 3_000;

/** Milliseconds between two checks of the connections. */
const CHECK_INTERVAL = 50;

/** Stops accepting and resolves when no connection is left. A connection without a request is closed at once. One whose
 * client has not sent a whole request is closed a second later. One whose client does not read its answers is closed three
 * seconds later, however large they are. One for which an answer is being made is closed when that answer and those before
 * it are sent. After `graceMs` milliseconds all are closed. */
export type Drain = (graceMs: number) => Promise<void>;

/** Watches the connections of a server, which keeps accounts, from now on, so that it can be drained. */
export function watchConnections(server: Server): Drain {
  const connections = new OpenConnections(server);
  return async (graceMs) => {
    if (!server.listening) return;
    const begin = performance.now();
    // Not the method of an HTTP server, which cuts answers off that are made and not sent yet.
    const closed = new Promise<void>((resolve) => {
      Server.prototype.close.call(server, () => {
        resolve();
      });
    });
    // A client that keeps asking is answered once more.
    server.prependListener('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
      response.shouldKeepAlive = false;
      takeNoMore(socket);
    });
    const workedAt = new WeakMap<Socket, number>();
    const check = (): void => {
      const elapsed = performance.now() - begin;
      for (const socket of connections) {
        const { making, sending, receiving } = accountOf(socket)?.requests ?? NONE;
        if (making > 0) workedAt.set(socket, elapsed);
        const isAsking = receiving > 0 || connections.hasBegun(socket);
        const timeout = making > 0 ? Infinity : sending > 0 ? READING : isAsking ? SENDING : 0;
        if (timeout === 0) socket.destroySoon();
        const until = (workedAt.get(socket) ?? 0) + (timeout || SENDING);
        if (elapsed >= Math.min(until, graceMs)) socket.destroy();
      }
    };
    check();
    const checks = setInterval(check, CHECK_INTERVAL);
    await closed;
    clearInterval(checks);
    // Also ends the timer of the HTTP server.
    server.close();
  };
}

const NONE = { making: 0, sending: 0, receiving: 0 };

/** The open connections of a server. */
class OpenConnections {
  readonly #open = new Set<Socket>();
  /** TCP sockets of connections that may become TLS. A client may never begin the handshake; when it is done, the encrypted
   * socket is watched instead. Keyed by what both sockets have in common. */
  readonly #bare = new Map<string, Socket>();
  /** Bytes that a connection had sent when all its requests were answered. */
  readonly #settled = new WeakMap<Socket, number>();

  constructor(server: Server) {
    server.on('connection', (socket: Socket) => {
      const name = nameOf(socket);
      this.#add(socket);
      this.#bare.set(name, socket);
      socket.once('close', () => {
        if (this.#bare.get(name) === socket) this.#bare.delete(name);
      });
    });
    server.on('secureConnection', (socket: Socket) => {
      const bare = this.#bare.get(nameOf(socket));
      if (bare !== undefined) this.#open.delete(bare);
      this.#add(socket);
      this.#settled.set(socket, socket.bytesRead);
    });
    server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
      response.once('finish', () => this.#settled.set(socket, socket.bytesRead));
    });
  }

  [Symbol.iterator](): Iterator<Socket> {
    return this.#open.values();
  }

  /** Whether the client has sent something that is not answered. */
  hasBegun(socket: Socket): boolean {
    return socket.bytesRead > (this.#settled.get(socket) ?? 0);
  }

  #add(socket: Socket): void {
    if (socket.destroyed) return;
    this.#open.add(socket);
    socket.once('close', () => this.#open.delete(socket));
  }
}

/** Unique among the open connections of a listener whose peers are there. */
const nameOf = (socket: Socket): string => `${socket.remoteAddress ?? ''} ${socket.remotePort ?? 0}`;
