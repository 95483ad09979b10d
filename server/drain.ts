/** An orderly end of a listener: requests under way are answered, and no client can put the end off. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import { Server as NetServer, type Socket } from 'node:net';

/** Milliseconds that a client has for the rest of its request. */
const SENDING = 1_000;

/** Milliseconds that a client has for reading its answer. */
const READING = 3_000;

/** Milliseconds between two looks at the connections. */
const LOOK_INTERVAL = 50;

/** Stops accepting and resolves when no connection is left. One without a request is closed at once; one whose client has
 * not sent a whole request, a second later; one whose client does not read its answer, three seconds later; one whose
 * answer is being made when that is sent. After `graceMs` milliseconds all are closed. */
export type Drain = (graceMs: number) => Promise<void>;

/** Watches the connections of a server from now on, so that it can be drained. */
export function watchConnections(server: Server | TlsServer): Drain {
  // With TLS a connection begins bare, and a client may never begin the handshake; the encrypted socket takes its place.
  const open = new Map<string, Socket>();
  // Bytes that a connection had sent when nothing was owed on it.
  const settled = new WeakMap<Socket, number>();
  // Of several requests on a connection the last is answered last.
  const last = new WeakMap<Socket, Exchange>();
  server.on('connection', (socket: Socket) => {
    const name = nameOf(socket);
    open.set(name, socket);
    socket.once('close', () => open.delete(name));
  });
  server.on('secureConnection', (socket: Socket) => {
    const name = nameOf(socket);
    if (open.has(name)) open.set(name, socket);
    settled.set(socket, socket.bytesRead);
  });
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    last.set(socket, { request, response });
    response.once('finish', () => settled.set(socket, socket.bytesRead));
  });
  return async (graceMs) => {
    if (!server.listening) return;
    const begin = performance.now();
    // Not the method of an HTTP server, which cuts answers off that are made and not sent yet.
    const closed = new Promise<void>((resolve) => {
      NetServer.prototype.close.call(server, () => {
        resolve();
      });
    });
    const look = (): void => {
      const elapsed = performance.now() - begin;
      for (const socket of open.values()) {
        const hasBegun = socket.bytesRead > (settled.get(socket) ?? 0);
        const patience = patienceFor(last.get(socket)) || (hasBegun ? SENDING : 0);
        if (patience === 0) socket.destroySoon();
        if (elapsed >= Math.min(patience || SENDING, graceMs)) socket.destroy();
      }
    };
    look();
    const looks = setInterval(look, LOOK_INTERVAL);
    await closed;
    clearInterval(looks);
    // And its timer.
    server.close();
  };
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** Milliseconds that a connection is left open for. */
function patienceFor(exchange: Exchange | undefined): number {
  if (exchange === undefined || exchange.response.writableFinished) return 0;
  if (exchange.response.writableEnded) return READING;
  return exchange.request.complete ? Infinity : SENDING;
}

/** Unique among the open connections of a listener. */
const nameOf = (socket: Socket): string => `${socket.remoteAddress ?? ''} ${socket.remotePort ?? 0}`;
