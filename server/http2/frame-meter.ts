/**
 * Counts what a client sends over HTTP/2 beside requests, frame by frame, before the runtime's parser sees it.
 *
 * A request is one head and a few frames of body. Everything else a client may send in any number: opened and reset streams,
 * settings, pings, priorities, windows, frames without content, frames of no known type, heads that go on and on. Each of them
 * costs the parser time, some memory or an answer, and no limit of the runtime covers all of them. So each takes from one budget,
 * which time and answered requests refill. A client that has used it up is cut off, and the rest of what was read is discarded.
 */

import { MAX_HEAD } from '../http/request-limits.ts';
import { FrameBudget } from './frame-budget.ts';

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

/** Tokens that a connection may spend at once, and that come back each second: on eight requests that begin together, and some; once a
 * certificate was issued on it, on 32. A client that is cut off comes back with a new connection, so the first number bounds what that
 * costs. A proxy that the operator trusts has the clients of many, each of which has a share with the limits of a connection. */
export const LIMITS = {
  unproven: { capacity: 128, perSecond: 20 },
  proven: { capacity: 400, perSecond: 20 },
  proxied: { capacity: 40_000, perSecond: 20_000 },
} as const;

/** A head costs the parser far more than another frame, and a stream that is taken back was opened for nothing. */
const HEADERS_COST = 4;
const RESET_COST = 2;

/** Headers of a head that cost nothing more; each that is beyond costs a token. A call has ten, and some more behind proxies. */
const FREE_HEADERS = 16;

/** Bytes of a frame of a body below which it costs a token. No client makes smaller ones but for the last. */
const LEAST_DATA = 256;

/** Bytes of bodies between two answers: beyond, they are of no call that is open. As many as of 32 calls of the longest message. */
const MAX_DATA = 8 * 1024 * 1024;
/** The same of the connection of a proxy, which has more calls. */
const MAX_PROXIED_DATA = 64 * 1024 * 1024;

/** The frames of one client. */
export class FrameMeter {
  readonly #clock: () => number;
  readonly #head = Buffer.alloc(FRAME_HEAD);
  /** Bytes of the preface, of a frame's head and of a frame's payload that are still to come. */
  #prefaceLeft = PREFACE.length;
  #headLeft = FRAME_HEAD;
  #payloadLeft = 0;
  readonly #isProxied: boolean;
  readonly #budget: FrameBudget;
  #dataBytes = 0;
  #taken = 0;
  /** Bytes of the head that is not complete. */
  #headBytes = 0;
  #headSince: number | undefined;

  /** `clock` counts milliseconds and never goes back. */
  constructor(clock: () => number = () => performance.now(), isProxied = false) {
    this.#clock = clock;
    this.#budget = new FrameBudget(isProxied ? LIMITS.proxied : LIMITS.unproven, clock);
    this.#isProxied = isProxied;
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
    if (!this.#isProxied) this.#budget.enlarge(LIMITS.proven);
  }

  /** A request was answered. */
  answered(): void {
    this.#dataBytes = 0;
    this.#budget.answered();
  }

  /** Counts the headers of a head that is complete, which may be a byte each on the wire; returns why its client is to be cut off, if it
   * is. */
  head(headers: number): FloodReason | undefined {
    return this.#budget.spend(Math.max(0, headers - FREE_HEADERS)) ? undefined : 'frames';
  }

  /** Of the chunk that was counted last, the bytes that may be used now. */
  get taken(): number {
    return this.#taken;
  }

  /** Counts what was read; returns why its client is to be cut off, if it is. Then nothing of the chunk may be used. Else it may be up to {@link taken}: so much as completes no
   * more than `heads` heads. What is behind has to be counted again. */
  take(chunk: Buffer, heads = Number.POSITIVE_INFINITY): FloodReason | undefined {
    let at = 0;
    let headsLeft = heads;
    this.#taken = chunk.length;
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
      if (this.#head[3] !== HEADERS || --headsLeft >= 0) continue;
      // It is not complete without what is behind its beginning.
      this.#taken = at;
      return undefined;
    }
    return undefined;
  }

  /** The head of a frame is complete. */
  #frame(): FloodReason | undefined {
    const length = this.#head.readUIntBE(0, 3);
    const [type = 0, flags = 0] = [this.#head[3], this.#head[4]];
    this.#payloadLeft = length;
    if (type === DATA) {
      this.#dataBytes += length;
      if (this.#dataBytes > (this.#isProxied ? MAX_PROXIED_DATA : MAX_DATA)) return 'frames';
    }
    if (type === HEADERS || type === CONTINUATION) {
      this.#headBytes += length + FRAME_HEAD;
      this.#headSince ??= this.#clock();
      if (this.#headBytes > MAX_HEAD) return 'head';
      if ((flags & END_HEADERS) !== 0) {
        this.#headBytes = 0;
        this.#headSince = undefined;
      }
    }
    if (this.#budget.spend(costOf(type, flags, length))) return undefined;
    return type === PING ? 'pings' : 'frames';
  }
}

/** What a request costs that has so many headers and is taken back. */
export const requestCost = (headers: number): number =>
  HEADERS_COST + RESET_COST + Math.max(0, headers - FREE_HEADERS);

function costOf(type: number, flags: number, length: number): number {
  if (type === HEADERS) return HEADERS_COST;
  if (type === RST_STREAM) return RESET_COST;
  return type === DATA && length >= LEAST_DATA && (flags & PADDED) === 0 ? 0 : 1;
}
