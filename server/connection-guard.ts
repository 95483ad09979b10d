/**
 * Keeps connections that send nothing useful from shutting others out.
 *
 * Node's own limit refuses the newest connection when all places are taken, which is what someone who opens
 * connections and lets them sit wants. Here the one that has waited longest without a complete request is closed, so that
 * such connections push out one another and an honest request, done in milliseconds, gets through. Connections on which a
 * certificate was issued are closed last. Waiting connections are also closed when together they have sent more bytes of
 * incomplete requests than the service is willing to hold.
 */
import type { ServerResponse } from 'node:http';
import type { Server, Socket } from 'node:net';

/** Tells the guard for which connections the service works. All others wait for their client, to send or to read. */
export interface ConnectionGuard {
  /** A complete request came in on the socket. */
  readonly working: (socket: Socket) => void;
  /** The request was answered. */
  readonly waiting: (socket: Socket) => void;
  /** A certificate was issued on the socket. */
  readonly proven: (socket: Socket) => void;
  /** Returns the number of connections accepted so far. */
  readonly accepted: () => number;
}

/** Bytes of incomplete requests that all waiting connections together may have sent. The runtime's parser keeps a head in
 * memory until it is complete, and needs half as much again for it. */
const MAX_INCOMPLETE = 32 * 1024 * 1024;

/** Bytes that count for one connection at most: no head may be longer, and bodies are counted where they are read. */
const MAX_COUNTED = 64 * 1024;

/** Connections that have sent no more than this are not closed for it: an honest request is a few kilobytes. */
const FEW_BYTES = 4096;

/** Milliseconds between two checks of what waiting connections have sent. */
const CHECK_INTERVAL = 250;

/** The connection of `response` is working until the answer is ended. Whether the client reads it does not matter: waiting
 * for a reader is no work. */
export function busyUntilEnded(
  { working, waiting }: Pick<ConnectionGuard, 'working' | 'waiting'>,
  response: ServerResponse,
): void {
  const { socket } = response.req;
  working(socket);
  const end = response.end.bind(response) as (...words: unknown[]) => ServerResponse;
  // Set on the response itself: Express replaces its prototype.
  response.end = ((...words: unknown[]) => {
    end(...words);
    waiting(socket);
    return response;
  }) as typeof response.end;
}

const nameOf = (socket: Socket): string => `${socket.remoteAddress ?? ''} ${socket.remotePort ?? 0}`;

/** Limits `server` to `limit` connections, counting those whose TLS handshake is not done. */
export function guardConnections(server: Server, limit: number): ConnectionGuard {
  const waiting = new WaitingConnections();
  // With TLS a request knows the encrypted socket, while the server counts the bare one below it.
  const bareOf = new WeakMap<Socket, Socket>();
  const handshakes = new Map<string, Socket>();
  let open = 0;
  let accepted = 0;
  const checks = setInterval(() => {
    waiting.closeLargest(MAX_INCOMPLETE);
  }, CHECK_INTERVAL).unref();
  server.once('close', () => {
    clearInterval(checks);
  });
  server.on('connection', (socket: Socket) => {
    open++;
    accepted++;
    waiting.add(socket);
    const name = nameOf(socket);
    handshakes.set(name, socket);
    socket.once('close', () => {
      open--;
      waiting.remove(socket);
      if (handshakes.get(name) === socket) handshakes.delete(name);
    });
    if (open > limit) (waiting.oldest() ?? socket).destroy();
  });
  server.on('secureConnection', (socket: Socket) => {
    const bare = handshakes.get(nameOf(socket));
    if (bare !== undefined) bareOf.set(socket, bare);
  });
  const bare = (socket: Socket): Socket => bareOf.get(socket) ?? socket;
  return {
    accepted: () => accepted,
    working: (socket) => {
      waiting.remove(bare(socket));
    },
    waiting: (socket) => {
      if (!socket.destroyed) waiting.add(bare(socket));
    },
    proven: (socket) => {
      waiting.markProven(bare(socket));
    },
  };
}

/** The connections that wait, each with the bytes that had been read from it when it began to. */
class WaitingConnections {
  // In order of age: a Map keeps the order in which sockets began to wait.
  readonly #unproven = new Map<Socket, number>();
  readonly #proven = new Map<Socket, number>();
  readonly #isProven = new WeakSet<Socket>();

  add(socket: Socket): void {
    this.remove(socket);
    const sockets = this.#isProven.has(socket) ? this.#proven : this.#unproven;
    sockets.set(socket, socket.bytesRead);
  }

  remove(socket: Socket): void {
    this.#unproven.delete(socket);
    this.#proven.delete(socket);
  }

  /** Takes effect when the socket waits again. */
  markProven(socket: Socket): void {
    this.#isProven.add(socket);
  }

  oldest(): Socket | undefined {
    const [oldest] = this.#unproven.size > 0 ? this.#unproven.keys() : this.#proven.keys();
    return oldest;
  }

  /** Closes the oldest connections that have sent more than {@link FEW_BYTES} until the rest has sent no more than `limit`
   * together. */
  closeLargest(limit: number): void {
    if ((this.#unproven.size + this.#proven.size) * MAX_COUNTED <= limit) return;
    const large = [...this.#unproven, ...this.#proven]
      .map(([socket, before]) => ({ socket, bytes: Math.min(socket.bytesRead - before, MAX_COUNTED) }))
      .filter(({ bytes }) => bytes > FEW_BYTES);
    let held = large.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const { socket, bytes } of large) {
      if (held <= limit) return;
      socket.destroy();
      held -= bytes;
    }
  }
}
