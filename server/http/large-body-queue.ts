import { AcceptPriority, type AcceptCount } from './accept-priority.ts';

/** Connections that are resumed in one turn of the event loop. Each delivers up to 64 KiB. */
const PER_TURN = 8;

/** A connection whose reading can be delayed. */
export interface Pausable {
  pause(): unknown;
  resume(): unknown;
}

/** Reads large request bodies a few at a time, so that requests of ordinary size are read in between. */
export class LargeBodyQueue {
  readonly #paused = new Set<Pausable>();
  readonly #acceptPriority: AcceptPriority;

  constructor(accepted: AcceptCount) {
    this.#acceptPriority = new AcceptPriority(accepted);
  }

  /** Pauses the connection until its turn comes. */
  defer(socket: Pausable): void {
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
