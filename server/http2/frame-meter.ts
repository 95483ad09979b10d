/**
 * Counts what a client sends over HTTP/2 beside requests, frame by frame, before the runtime's parser sees it.
 *
 * A request is one head and a few frames of body. Everything else a client may send in any number: opened and reset streams,
 * settings, pings, priorities, windows, frames without content, frames of no known type, heads that go on and on. Each of them
 * costs the parser time, some memory or an answer, and no limit of the runtime covers all of them. So each takes from one budget,
 * which time and answered requests refill. A client that has used it up is cut off, and the rest of what was read is discarded.
 */

/** Why a client is cut off. */
export type FloodReason = 'preface' | 'head' | 'pings' | 'frames';

/** What a connection begins with (RFC 9113 §3.4). */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

const FRAME_HEAD = 9;
const DATA = 0;
const HEADERS = 1;
const RST_STREAM = 3;
const PING = 6;
const CONTINUATION = 9;
const END_HEADERS = 0x4;
const PADDED = 0x8;

/** Tokens that a connection may spend at once: on eight requests that begin together, and some; once a certificate was issued on it,
 * on 32. A client that is cut off comes back with a new connection, so the first number bounds what that costs. */
const CAPACITY = { unproven: 128, proven: 400 } as const;
/** Tokens that come back each second, and with each answered request, which needs up to ten. */
const PER_SECOND = 20;
const PER_ANSWER = 16;

/** A head costs the parser far more than another frame, and a stream that is taken back was opened for nothing. */
const HEADERS_COST = 4;
const RESET_COST = 2;

/** Headers of a head that cost nothing more; each that is beyond costs a token. A call has ten, and some more behind proxies. */
const FREE_HEADERS = 16;

/** Bytes of a frame of a body below which it costs a token. No client makes smaller ones but for the last. */
const LEAST_DATA = 256;

/** Bytes of one head as it is sent, all frames together. */
const MAX_HEAD = 64 * 1024;

/** The frames of one client. */
export class FrameMeter {
  readonly #clock: () => number;
  readonly #head = Buffer.alloc(FRAME_HEAD);
  /** Bytes of the preface, of a frame's head and of a frame's payload that are still to come. */
  #prefaceLeft = PREFACE.length;
  #headLeft = FRAME_HEAD;
  #payloadLeft = 0;
  #capacity: number = CAPACITY.unproven;
  #tokens = this.#capacity;
  #filledAt: number;
  /** Bytes of the head that is not complete. */
  #headBytes = 0;
  #headSince: number | undefined;

  /** `clock` counts milliseconds and never goes back. */
  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock;
    this.#filledAt = clock();
  }

  /** Milliseconds of the clock when the head began that is not complete; undefined when there is none. */
  get headSince(): number | undefined {
    return this.#headSince;
  }

  /** Bytes of the head that is not complete, as they were sent. */
  get headBytes(): number {
    return this.#headBytes;
  }

  /** Whether the preface came, which is the first that a client of HTTP/2 sends. */
  get isBegun(): boolean {
    return this.#prefaceLeft === 0;
  }

  /** A certificate was issued on the connection: it may spend more at once. */
  prove(): void {
    if (this.#capacity === CAPACITY.proven) return;
    this.#tokens += CAPACITY.proven - this.#capacity;
    this.#capacity = CAPACITY.proven;
  }

  /** A request was answered. */
  answered(): void {
    this.#tokens = Math.min(this.#capacity, this.#tokens + PER_ANSWER);
  }

  /** Counts the headers of a head that is complete, which may be a byte each on the wire; returns why its client is to be cut off, if it
   * is. */
  head(headers: number): FloodReason | undefined {
    return this.#spend(Math.max(0, headers - FREE_HEADERS)) ? undefined : 'frames';
  }

  /** Counts what was read; returns why its client is to be cut off, if it is. Then nothing of the chunk may be used. */
  take(chunk: Buffer): FloodReason | undefined {
    let at = 0;
    if (this.#prefaceLeft > 0) {
      const begin = PREFACE.length - this.#prefaceLeft;
      at = Math.min(this.#prefaceLeft, chunk.length);
      if (PREFACE.compare(chunk, 0, at, begin, begin + at) !== 0) return 'preface';
      this.#prefaceLeft -= at;
    }
    while (at < chunk.length) {
      if (this.#payloadLeft > 0) {
        const part = Math.min(this.#payloadLeft, chunk.length - at);
        this.#payloadLeft -= part;
        at += part;
        continue;
      }
      const part = Math.min(this.#headLeft, chunk.length - at);
      chunk.copy(this.#head, FRAME_HEAD - this.#headLeft, at, at + part);
      this.#headLeft -= part;
      at += part;
      if (this.#headLeft > 0) return undefined;
      this.#headLeft = FRAME_HEAD;
      const reason = this.#frame();
      if (reason !== undefined) return reason;
    }
    return undefined;
  }

  /** The head of a frame is complete. */
  #frame(): FloodReason | undefined {
    const length = this.#head.readUIntBE(0, 3);
    const [type = 0, flags = 0] = [this.#head[3], this.#head[4]];
    this.#payloadLeft = length;
    if (type === HEADERS || type === CONTINUATION) {
      this.#headBytes += length + FRAME_HEAD;
      this.#headSince ??= this.#clock();
      if (this.#headBytes > MAX_HEAD) return 'head';
      if ((flags & END_HEADERS) !== 0) {
        this.#headBytes = 0;
        this.#headSince = undefined;
      }
    }
    if (this.#spend(costOf(type, flags, length))) return undefined;
    return type === PING ? 'pings' : 'frames';
  }

  #spend(cost: number): boolean {
    if (cost === 0) return true;
    const now = this.#clock();
    this.#tokens = Math.min(this.#capacity, this.#tokens + ((now - this.#filledAt) / 1000) * PER_SECOND);
    this.#filledAt = now;
    if (this.#tokens < cost) return false;
    this.#tokens -= cost;
    return true;
  }
}

function costOf(type: number, flags: number, length: number): number {
  if (type === HEADERS) return HEADERS_COST;
  if (type === RST_STREAM) return RESET_COST;
  return type === DATA && length >= LEAST_DATA && (flags & PADDED) === 0 ? 0 : 1;
}
