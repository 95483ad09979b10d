/** Bytes of answers that are made but not sent: a client that does not read leaves them in memory. */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Admission } from './admission.ts';

/** Counts each answer from when it is made until it is sent or its connection is gone. */
export class UnsentAnswers {
  readonly #memory: Admission;
  /** What a connection still holds. An answer that waits behind another on its connection is never told that the
   * connection closed; the connection is. */
  readonly #bySocket = new WeakMap<Socket, Set<() => void>>();

  constructor(memory: Admission) {
    this.#memory = memory;
  }

  /** Counts `bytes` for the answer; false when there is no room, and then the answer must not be given. To be called
   * before the answer is ended. */
  hold(response: ServerResponse, bytes: number): boolean {
    const { socket } = response.req;
    // Nothing is kept for a connection that is gone, and nobody would tell when to give it back.
    if (socket.destroyed) return true;
    if (!this.#memory.enter(bytes)) return false;
    const held = this.#heldBy(socket);
    const release = (): void => {
      if (held.delete(release)) this.#memory.leave(bytes);
    };
    held.add(release);
    response.once('finish', release);
    response.once('close', release);
    return true;
  }

  #heldBy(socket: Socket): Set<() => void> {
    const known = this.#bySocket.get(socket);
    if (known !== undefined) return known;
    const held = new Set<() => void>();
    this.#bySocket.set(socket, held);
    socket.once('close', () => {
      for (const release of held) release();
    });
    return held;
  }
}
