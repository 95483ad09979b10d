import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { freeMemory } from '../http/buffer-memory.ts';
import type { FloodReason, FrameMeter } from './frame-meter.ts';

/** Bytes that are still read of a client that is cut off, and discarded: closing at once would take the reason from it. */
const DISCARD_LIMIT = 256 * 1024;

/** Bytes that the session gets at once. It copies them, and keeps the copy until it gets more: with up to 64 KiB, as they are read, a thousand connections would hold 64 MiB. */
const PIECE = 16 * 1024;

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
  #discarded = 0;

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
      if (!this.#isCutOff) this.push(null);
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
    this.#socket.resume();
  }

  /** Reads nothing more: its client is to be cut off for what was read before. */
  cutOff(reason: FloodReason): void {
    if (this.#isCutOff) return;
    this.#isCutOff = true;
    this.#onFlood(reason);
  }

  override _read(): void {
    if (!this.#isPaused) this.#socket.resume();
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
    const reason = this.#meter.take(chunk);
    if (reason !== undefined) {
      this.cutOff(reason);
      return;
    }
    let isWanted = true;
    // The session may end for what is in a piece.
    for (let at = 0; at < chunk.length && !this.destroyed; at += PIECE)
      isWanted = this.push(chunk.subarray(at, at + PIECE));
    if (!isWanted) this.#socket.pause();
    // All of it was copied.
    if (this.readableLength === 0) freeMemory(chunk);
  }
}
