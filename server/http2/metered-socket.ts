import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { freeMemory } from '../http/buffer-memory.ts';
import type { FloodReason, FrameMeter } from './frame-meter.ts';

/** Bytes that are still read of a client that is cut off, and discarded: closing at once would take the reason from it. */
const DISCARD_LIMIT = 256 * 1024;

/** Bytes that the session gets at once. It copies them, and keeps the copy until it gets more: with up to 64 KiB, as they are read, a thousand connections would hold 64 MiB. */
const PIECE = 16 * 1024;

/** Heads of requests that the session gets in one turn of the event loop. The runtime forgets a stream that is taken back only after the turn, and counts it till then
 * as one of those that may be open at once: calls of others on the connection of a proxy would be refused for it. */
const HEADS_A_TURN = 32;

/** Bytes that are kept for a parser that is not asking for more. */
const READ_AHEAD = 64 * 1024;

/**
 * What an HTTP/2 session runs on in place of its socket: nothing is read that the meter has not counted, and reading can be
 * paused for the whole connection, which the runtime's session cannot.
 */
export class MeteredSocket extends Duplex {
  readonly #socket: Socket;
  readonly #meter: FrameMeter;
  readonly #onFlood: (reason: FloodReason) => void;
  #isPaused = false;
  #isCutOff = false;
  #isEnded = false;
  #discarded = 0;
  /** What was read and is for the next turn. */
  #rest: Buffer | undefined;

  /** `onFlood` is called once, when the meter says so; nothing more is read then. */
  constructor(socket: Socket, meter: FrameMeter, onFlood: (reason: FloodReason) => void) {
    super({ readableHighWaterMark: READ_AHEAD });
    this.#socket = socket;
    this.#meter = meter;
    this.#onFlood = onFlood;
    socket.on('data', (chunk: Buffer) => {
      this.#take(chunk);
    });
    socket.once('end', () => {
      this.#isEnded = true;
      if (!this.#isCutOff && this.#rest === undefined) this.push(null);
    });
    socket.once('error', (error) => this.destroy(error));
    socket.once('close', () => this.destroy());
  }

  /** Reads nothing until {@link go}. */
  hold(): void {
    this.#isPaused = true;
    this.#socket.pause();
  }

  /** Reads again. */
  go(): void {
    this.#isPaused = false;
    if (this.#rest === undefined) this.#socket.resume();
  }

  /** Reads nothing more: its client is to be cut off for what was read before. */
  cutOff(reason: FloodReason): void {
    if (this.#isCutOff) return;
    this.#isCutOff = true;
    this.#onFlood(reason);
  }

  override _read(): void {
    if (!this.#isPaused && this.#rest === undefined) this.#socket.resume();
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#socket.write(chunk, encoding, callback);
  }

  override _writev(
    chunks: { readonly chunk: Buffer; readonly encoding: BufferEncoding }[],
    callback: (error?: Error | null) => void,
  ): void {
    this.#socket.cork();
    chunks.forEach(({ chunk, encoding }, index) => {
      if (index === chunks.length - 1) this.#socket.write(chunk, encoding, callback);
      else this.#socket.write(chunk, encoding);
    });
    this.#socket.uncork();
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#socket.end();
    callback();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    if (this.#isCutOff) this.#socket.end();
    // What was written is sent first.
    else if (this.#socket.writableLength > 0 && error === null) this.#socket.destroySoon();
    else this.#socket.destroy();
    callback(error);
  }

  #take(chunk: Buffer): void {
    if (this.#isCutOff) {
      this.#discarded += chunk.length;
      if (this.#discarded > DISCARD_LIMIT) this.#socket.destroy();
      return;
    }
    if (this.destroyed) return;
    // All of it was copied.
    if (this.#deliver(chunk) && this.readableLength === 0) freeMemory(chunk);
  }

  /** Hands the session what it may get in this turn; what is left has the next. Returns whether nothing is. */
  #deliver(chunk: Buffer): boolean {
    const reason = this.#meter.take(chunk, HEADS_A_TURN);
    if (reason !== undefined) {
      this.cutOff(reason);
      return true;
    }
    const { taken } = this.#meter;
    let isWanted = true;
    // The session may end for what is in a piece.
    for (let at = 0; at < taken && !this.destroyed; at += PIECE)
      isWanted = this.push(chunk.subarray(at, Math.min(taken, at + PIECE)));
    if (taken < chunk.length) {
      this.#rest = chunk.subarray(taken);
      setImmediate(this.#goOn);
    }
    if (taken < chunk.length || !isWanted) this.#socket.pause();
    return taken === chunk.length;
  }

  readonly #goOn = (): void => {
    const rest = this.#rest;
    this.#rest = undefined;
    if (rest === undefined || this.destroyed) return;
    this.#socket.resume();
    if (this.#isCutOff) return;
    if (this.#isPaused) this.#socket.pause();
    if (this.#deliver(rest) && this.#isEnded) this.push(null);
  };
}
