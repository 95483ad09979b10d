import type { Socket } from 'node:net';
import { AcceptPriority, type AcceptCount } from './accept-priority.ts';

/** Connections that are resumed in one turn of the event loop. Each delivers up to 64 KiB. */
const PER_TURN = 8;

/** Reads large request bodies a few at a time, so that requests of ordinary size are read in between. */
export class LargeBodyQueue {
  readonly #paused = new Set<Socket>();
  readonly #acceptPriority: AcceptPriority;

  constructor(accepted: AcceptCount) {
    this.#acceptPriority = new AcceptPriority(accepted);
  }

  /** Pauses the socket until its turn comes. */
  defer(socket: Socket): void {
    if (this.#paused.size === 0) setImmediate(this.#resumeSome);
    this.#paused.add(socket);
    socket.pause();
  }

  readonly #resumeSome = (): void => {
    let left = this.#acceptPriority.mayRun() ? PER_TURN : 0;
    for (const socket of this.#paused) {
      if (left-- === 0) break;
      this.#paused.delete(socket);
      socket.resume();
    }
    if (this.#paused.size > 0) setImmediate(this.#resumeSome);
  };
}
