/** What is wrong with one destination, and what the operator was told of it. */
import type { Destination, Note } from './destination.ts';

/** Milliseconds between two notes about the same trouble. */
const NOTE_INTERVAL = 60_000;

interface Failure {
  readonly cause: unknown;
  /** Whether the operator was told, and so is told when it is over. */
  readonly isTold: boolean;
}

/** See above. */
export class DestinationHealth {
  readonly #place: Destination['name'];
  readonly #note: Note;
  #failure: Failure | undefined;
  #failureToldAt = -Infinity;
  #lost = 0;
  #lostToldAt = -Infinity;

  constructor(place: Destination['name'], note: Note) {
    this.#place = place;
    this.#note = note;
  }

  /** Lines that were lost so far. */
  get lost(): number {
    return this.#lost;
  }

  /** Whether the destination did not take the last lines that were tried. */
  get isFailing(): boolean {
    return this.#failure !== undefined;
  }

  /** Why it fails; undefined when it does not. */
  get cause(): unknown {
    return this.#failure?.cause;
  }

  /** The destination failed, and so many lines wait. One that fails and recovers all the time is told of once in a
   * while, too. */
  begin(cause: unknown, waiting: number): void {
    const now = performance.now();
    const tells = now - this.#failureToldAt >= NOTE_INTERVAL;
    this.#failure = { cause, isTold: tells || this.#failure?.isTold === true };
    if (!tells) return;
    this.#failureToldAt = now;
    const sentence = cause instanceof Error ? cause.message : String(cause);
    this.#note('error', 'audit is not written', { place: this.#place, sentence, waiting, lost: this.#lost });
  }

  /** The destination took lines. */
  end(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure?.isTold === true)
      this.#note('warn', 'audit is written again', { place: this.#place, lost: this.#lost });
  }

  /** So many lines are nowhere; told once in a while, and each time when they are the last. */
  lose(count: number, areLast: boolean): void {
    if (count === 0) return;
    this.#lost += count;
    const now = performance.now();
    if (now - this.#lostToldAt < NOTE_INTERVAL && !areLast) return;
    this.#lostToldAt = now;
    this.#note('error', 'audit lines lost', { place: this.#place, lost: this.#lost });
  }
}
