/**
 * A limit on connections that an attacker cannot use up.
 *
 * Node's own limit refuses the newest connection when it is reached. So a client that opens connections and leaves them idle
 * would shut all others out. Here the connection is closed that has waited longest without a complete request. Idle
 * connections then displace one another, and an honest request, which takes milliseconds, gets through. Connections on which
 * a certificate was issued are closed last. Connections are also closed when together they have sent more bytes of
 * heads than the parser may hold.
 */
import type { Server, Socket } from 'node:net';
import { accountOf } from './connection-account.ts';
import { heldHeads, MAX_HELD_HEADS } from './parser-limits.ts';
import { MAX_HEAD } from './request-limits.ts';

/** A limit that uses the account of each connection: it is idle unless the service works for it. */
export interface ConnectionGuard {
  /** Returns the number of connections accepted so far. */
  readonly accepted: () => number;
}

/** Bytes that the runtime's parser may hold of the heads of all connections together: of those that are not complete, for which it
 * needs half as much again, and what it keeps of others. */
const MAX_HELD = 32 * 1024 * 1024;

/** Connections of which it holds no more than this are not closed for it: an honest request is a few kilobytes. */
const FEW_BYTES = 4096;

/** Milliseconds between two checks of what heads hold. */
const CHECK_INTERVAL = 250;

const nameOf = (socket: Socket): string => `${socket.remoteAddress ?? ''} ${socket.remotePort ?? 0}`;

/** Limits `server`, which keeps accounts, to `limit` connections, counting those whose TLS handshake is not done. It is one of
 * `sharers` servers that share the bytes of heads. */
export function guardConnections(server: Server, limit: number, sharers = 1): ConnectionGuard {
  const connections = new GuardedConnections();
  // With TLS the account is of the encrypted socket, while the server counts the bare one below it.
  const handshakes = new Map<string, Socket>();
  let accepted = 0;
  // A server that never listens never closes.
  server.once('listening', () => {
    const checks = setInterval(() => {
      connections.closeLargest(MAX_HELD / sharers);
    }, CHECK_INTERVAL).unref();
    server.once('close', () => {
      clearInterval(checks);
    });
  });
  server.on('connection', (socket: Socket) => {
    accepted++;
    connections.add(socket);
    follow(socket, socket);
    const name = nameOf(socket);
    handshakes.set(name, socket);
    socket.once('close', () => {
      connections.remove(socket);
      if (handshakes.get(name) === socket) handshakes.delete(name);
    });
    if (connections.size > limit) (connections.oldest() ?? socket).destroy();
  });
  server.on('secureConnection', (socket: Socket) => {
    const bare = handshakes.get(nameOf(socket));
    if (bare !== undefined) follow(bare, socket);
  });
  const follow = (bare: Socket, socket: Socket): void => {
    accountOf(socket)?.watch((isWorking) => {
      connections.note(bare, isWorking, accountOf(socket)?.isProven === true);
    });
    connections.readBy(bare, socket);
  };
  return { accepted: () => accepted };
}

/** The open connections. */
class GuardedConnections {
  // In order of age: a Map keeps the order in which sockets began to wait. The values are the bytes that had been read then.
  readonly #unproven = new Map<Socket, number>();
  readonly #proven = new Map<Socket, number>();
  readonly #working = new Set<Socket>();
  /** The socket that the parser reads, by the bare one. */
  readonly #readers = new WeakMap<Socket, Socket>();

  /** Open connections. */
  get size(): number {
    return this.#unproven.size + this.#proven.size + this.#working.size;
  }

  add(socket: Socket): void {
    this.#unproven.set(socket, socket.bytesRead);
  }

  remove(socket: Socket): void {
    this.#unproven.delete(socket);
    this.#proven.delete(socket);
    this.#working.delete(socket);
  }

  readBy(bare: Socket, reader: Socket): void {
    this.#readers.set(bare, reader);
  }

  /** The service began to work for the socket, or waits for its client from now on. */
  note(socket: Socket, isWorking: boolean, isProven: boolean): void {
    if (socket.destroyed) return;
    this.remove(socket);
    if (isWorking) this.#working.add(socket);
    else (isProven ? this.#proven : this.#unproven).set(socket, socket.bytesRead);
  }

  /** The one that has waited longest, of those that have no certificate if there are any. */
  oldest(): Socket | undefined {
    const [oldest] = this.#unproven.size > 0 ? this.#unproven.keys() : this.#proven.keys();
    return oldest;
  }

  /** Closes the oldest connections of which more than {@link FEW_BYTES} of heads are held until the rest holds no more than
   * `limit` together; those for which the service works last. */
  closeLargest(limit: number): void {
    if (this.size * MAX_HELD_HEADS <= limit) return;
    const large = [...this.#unproven, ...this.#proven, ...[...this.#working].map((one) => [one, 0] as const)]
      .map(([socket, before]) => ({ socket, bytes: this.#held(socket, before) }))
      .filter(({ bytes }) => bytes > FEW_BYTES);
    let held = large.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const { socket, bytes } of large) {
      if (held <= limit) return;
      socket.destroy();
      held -= bytes;
    }
  }

  /** Bytes of heads, as the parser reports them, else what was read since the connection began to wait. */
  #held(socket: Socket, before: number): number {
    const reported = heldHeads(this.#readers.get(socket) ?? socket);
    if (reported !== undefined) return reported;
    return this.#working.has(socket) ? 0 : Math.min(socket.bytesRead - before, MAX_HEAD);
  }
}
