/**
 * Messages between two threads. What one side says in one turn of its event loop travels as one message, because each costs
 * the other side a wake-up; so the more there is to do, the less of it each request costs.
 */
import type { MessagePort, Worker } from 'node:worker_threads';
import { SentErrors, type SentError } from './sent-error.ts';

/** One end of a pipe between threads. */
type Port = Worker | MessagePort;

/** What one side does with what the other one says. */
export interface Listener<Report, Ask> {
  /** Nothing is answered. Must not throw. */
  reported(message: Report): void;
  /** The answer, or what it is rejected with: plain data, and errors of the classes that `sent-error.ts` lists. */
  asked(message: Ask): unknown;
}

type Item =
  | readonly [kind: 'report', message: unknown]
  | readonly [kind: 'ask', id: number, message: unknown]
  | readonly [kind: 'reply', id: number, reply: unknown]
  | readonly [kind: 'fail', id: number, error: SentError];

interface Asker {
  readonly resolve: (reply: never) => void;
  readonly reject: (error: Error) => void;
}

/** The number of items that one side has dealt with, in memory that both read. */
export const sharedProgress = (): SharedArrayBuffer => new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);

/** Items of one side that the other one has not dealt with yet, above which the one waits: it would otherwise fill the memory with what it says faster than that can be heard. */
export const LONGEST_BACKLOG = 10_000;

/** Milliseconds between two looks of a side that waits. */
const LOOK_MS = 20;

/** What a side knows of {@link sharedProgress}: of its own, or of the other side's. */
export interface Progress {
  readonly here?: SharedArrayBuffer;
  readonly there?: SharedArrayBuffer;
}

/** One side of the conversation: it says `Report` and `Ask`, and hears `OtherReport` and `OtherAsk`. Order is kept.
 * A side that knows the progress of the other one stops its thread while that is {@link LONGEST_BACKLOG} items behind. Only one of the two may. */
export class TurnChannel<Report, Ask, OtherReport, OtherAsk> {
  readonly #port: Port;
  readonly #listener: Listener<OtherReport, OtherAsk>;
  readonly #errors = new SentErrors();
  readonly #askers = new Map<number, Asker>();
  #items: Item[] = [];
  #lastId = 0;
  #ended: Error | undefined;
  #flushed: Promise<void> | undefined;
  #onFlush: () => void = () => undefined;
  readonly #heardThere: Int32Array | undefined;
  /** Items so far. It wraps as the shared number does. */
  #said = 0;

  constructor(port: Port, listener: Listener<OtherReport, OtherAsk>, { here, there }: Progress = {}) {
    this.#port = port;
    this.#listener = listener;
    const heardHere = here && new Int32Array(here);
    this.#heardThere = there && new Int32Array(there);
    port.on('message', (items: readonly Item[]) => {
      for (const item of items) this.#hear(item);
      if (heardHere !== undefined) Atomics.add(heardHere, 0, items.length);
    });
  }

  /** Leaves with the rest of this turn. */
  report(message: Report): void {
    this.#push(['report', message]);
  }

  /** Resolves to the answer of the other side; rejects with its error, and with that of {@link end}. */
  ask<Reply>(message: Ask): Promise<Reply> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId;
      this.#askers.set(id, { resolve, reject });
      this.#push(['ask', id, message]);
    });
  }

  /** Resolves once the other side is certain to get what was said so far, whatever becomes of this thread. */
  flushed(): Promise<void> {
    if (this.#items.length === 0) return Promise.resolve();
    this.#flushed ??= new Promise((resolve) => {
      this.#onFlush = resolve;
    });
    return this.#flushed;
  }

  /** Sends what was said so far at once. */
  flush(): void {
    const items = this.#items;
    const onFlush = this.#onFlush;
    this.#items = [];
    this.#flushed = undefined;
    if (items.length > 0 && this.#ended === undefined) {
      this.#port.postMessage(items);
      this.#said = (this.#said + items.length) | 0;
    }
    onFlush();
    this.#wait();
  }

  /** Stops the thread while the other side is too far behind. */
  #wait(): void {
    const heard = this.#heardThere;
    if (heard === undefined) return;
    for (
      let count = Atomics.load(heard, 0);
      ((this.#said - count) | 0) > LONGEST_BACKLOG;
      count = Atomics.load(heard, 0)
    )
      Atomics.wait(heard, 0, count, LOOK_MS);
  }

  /** The other side is gone: what was asked and is asked from now on rejects with `error`. */
  end(error: Error): void {
    this.#ended ??= error;
    const askers = [...this.#askers.values()];
    this.#askers.clear();
    for (const { reject } of askers) reject(error);
  }

  #push(item: Item): void {
    if (this.#ended !== undefined) return;
    if (this.#items.push(item) > 1) return;
    setImmediate(() => {
      this.flush();
    });
  }

  #hear(item: Item): void {
    switch (item[0]) {
      case 'report':
        this.#listener.reported(item[1] as OtherReport);
        break;
      case 'ask':
        void this.#answer(item[1], item[2] as OtherAsk);
        break;
      case 'reply':
        this.#askerOf(item[1])?.resolve(item[2] as never);
        break;
      case 'fail':
        this.#askerOf(item[1])?.reject(this.#errors.received(item[2]));
    }
  }

  #askerOf(id: number): Asker | undefined {
    const asker = this.#askers.get(id);
    this.#askers.delete(id);
    return asker;
  }

  async #answer(id: number, message: OtherAsk): Promise<void> {
    try {
      this.#push(['reply', id, await this.#listener.asked(message)]);
    } catch (error) {
      this.#push(['fail', id, this.#errors.sent(error)]);
    }
  }
}

/** Bytes as they are to be sent: copying a view to another thread copies all of what lies beneath it. */
export const ownBytes = (bytes: Uint8Array): Uint8Array =>
  bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);
