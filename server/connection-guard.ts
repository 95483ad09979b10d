/**
 * Keeps connections that send nothing useful from shutting others out.
 *
 * Node's own limit refuses the newest connection when all places are taken, which is what someone who opens
 * connections and lets them sit wants. Here the one that has waited longest without a complete request loses its
 * place, so that such connections push out one another and an honest request, done in milliseconds, gets through.
 */
import type { Server, Socket } from 'node:net';

/** Tells the guard which connections are at work; all others wait. */
export interface ConnectionGuard {
  /** A complete request came in on the socket. */
  readonly working: (socket: Socket) => void;
  /** The request was answered. */
  readonly waiting: (socket: Socket) => void;
}

const nameOf = (socket: Socket): string => `${socket.remoteAddress ?? ''} ${socket.remotePort ?? 0}`;

/** Limits `server` to `limit` connections, counting those whose TLS handshake is not done. */
export function guardConnections(server: Server, limit: number): ConnectionGuard {
  // In order of age: a Set keeps the order in which sockets began to wait.
  const waiting = new Set<Socket>();
  // With TLS a request knows the encrypted socket, while the server counts the bare one below it.
  const bareOf = new WeakMap<Socket, Socket>();
  const handshakes = new Map<string, Socket>();
  let open = 0;
  server.on('connection', (socket: Socket) => {
    open++;
    waiting.add(socket);
    const name = nameOf(socket);
    handshakes.set(name, socket);
    socket.once('close', () => {
      open--;
      waiting.delete(socket);
      if (handshakes.get(name) === socket) handshakes.delete(name);
    });
    if (open <= limit) return;
    const [oldest] = waiting;
    (oldest ?? socket).destroy();
  });
  server.on('secureConnection', (socket: Socket) => {
    const bare = handshakes.get(nameOf(socket));
    if (bare !== undefined) bareOf.set(socket, bare);
  });
  const bare = (socket: Socket): Socket => bareOf.get(socket) ?? socket;
  return {
    working: (socket) => waiting.delete(bare(socket)),
    waiting: (socket) => {
      if (!socket.destroyed) waiting.add(bare(socket));
    },
  };
}
