import { messageOf } from '../core/errors.ts';
import type { Destination, Note } from './destination.ts';

/** Milliseconds between two notes about the same failure. */
const NOTE_INTERVAL = 60_000;

interface Failure {
  readonly cause: unknown;
  /** Whether it was noted: then its end is noted as well. */
  readonly isNoted: boolean;
}

/** What is wrong with one destination, and what was noted of it for the operator. */
export class DestinationHealth {
  readonly #destination: Destination['name'];
  readonly #note: Note;
  #failure: Failure | undefined;
  #failureNotedAt = -Infinity;
  #lost = 0;
  #lostNotedAt = -Infinity;

  constructor(destination: Destination['name'], note: Note) {
    this.#destination = destination;
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

  /** The destination failed, and so many lines wait. One that fails and recovers all the time is noted once in a
   * while, too. */
  begin(cause: unknown, waiting: number): void {
    const now = performance.now();
    const isNoteDue = now - this.#failureNotedAt >= NOTE_INTERVAL;
    this.#failure = { cause, isNoted: isNoteDue || this.#failure?.isNoted === true };
    if (!isNoteDue) return;
    this.#failureNotedAt = now;
    const sentence = messageOf(cause);
    this.#note('error', 'audit is not written', {
      place: this.#destination,
      sentence,
      waiting,
      lost: this.#lost,
    });
  }

  /** The destination took lines. */
  end(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure?.isNoted === true)
      this.#note('warn', 'audit is written again', { place: this.#destination, lost: this.#lost });
  }

  /** So many lines are nowhere. That is noted once in a while, and each time when they are the last. */
  lose(count: number, areLast: boolean): void {
    if (count === 0) return;
    this.#lost += count;
    const now = performance.now();
    if (now - this.#lostNotedAt < NOTE_INTERVAL && !areLast) return;
    this.#lostNotedAt = now;
    this.#note('error', 'audit lines lost', { place: this.#destination, lost: this.#lost });
  }
}
