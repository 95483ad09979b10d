/** HTTP/2 as bytes: what a client without a library sends, and what it reads. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** Types of frames. */
export const Frame = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  window: 8,
  continuation: 9,
  unknown: 0xbe,
} as const;

/** Flags of frames. */
export const Flag = { endStream: 1, ack: 1, endHeaders: 4, padded: 8 } as const;

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** One frame. */
export function frame(type: number, stream = 0, payload: Uint8Array = Buffer.alloc(0), flags = 0): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A header of HPACK that goes into no table. */
export function header(name: string, value: string): Buffer {
  const length = (n: number): number[] => (n < 127 ? [n] : [127, ...more(n - 127)]);
  const more = (n: number): number[] => (n < 128 ? [n] : [(n % 128) + 128, ...more(Math.floor(n / 128))]);
  return Buffer.from([
    0,
    ...length(name.length),
    ...Buffer.from(name),
    ...length(value.length),
    ...Buffer.from(value),
  ]);
}

/** The head of a call. */
export const callHead = (path: string, ...more: readonly Buffer[]): Buffer =>
  Buffer.concat([
    // POST over http.
    Buffer.from([0x83, 0x86]),
    header(':path', path),
    header(':authority', 'localhost'),
    header('content-type', 'application/grpc'),
    header('te', 'trailers'),
    ...more,
  ]);

/** A frame that begins a call. */
export const callFrame = (stream: number, path: string, flags: number = Flag.endHeaders): Buffer =>
  frame(Frame.headers, stream, callHead(path), flags);

/** The beginning of a connection. */
export const greeting = (settings: Uint8Array = Buffer.alloc(0)): Buffer =>
  Buffer.concat([PREFACE, frame(Frame.settings, 0, settings)]);

/** A frame that was read. */
interface ReadFrame {
  readonly type: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** A connection. */
export class RawClient {
  readonly socket: Socket;
  readonly frames: ReadFrame[] = [];
  readonly closed: Promise<void>;
  #bytes = Buffer.alloc(0);

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('error', () => undefined);
    this.socket.on('data', (chunk) => {
      this.#read(chunk);
    });
    this.closed = new Promise((resolve) => {
      this.socket.once('close', () => {
        resolve();
      });
    });
  }

  write(...parts: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(parts));
  }

  /** Resolves to the first frame of a kind, in the past or the future. */
  async frame(type: number, stream?: number): Promise<ReadFrame> {
    for (;;) {
      const found = this.frames.find((one) => one.type === type && (stream ?? one.stream) === one.stream);
      if (found !== undefined) return found;
      if (this.socket.destroyed) throw new Error(`the connection closed without a frame ${type}`);
      await Promise.race([once(this.socket, 'data'), this.closed]);
    }
  }

  /** The code and the words of the GOAWAY with which the connection is closed. */
  async farewell(): Promise<{ code: number; words: string }> {
    await this.closed;
    const { payload } = this.frames.findLast(({ type }) => type === Frame.goaway) ?? {
      payload: Buffer.alloc(8),
    };
    return {
      code: payload.readUInt32BE(4),
      words: this.frames
        .filter(({ type }) => type === Frame.goaway)
        .map((one) => one.payload.subarray(8).toString())
        .join(''),
    };
  }

  #read(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    while (this.#bytes.length >= 9) {
      const end = 9 + this.#bytes.readUIntBE(0, 3);
      if (this.#bytes.length < end) return;
      const [type = 0, stream] = [this.#bytes[3], this.#bytes.readUInt32BE(5)];
      this.frames.push({ type, stream, payload: this.#bytes.subarray(9, end) });
      this.#bytes = this.#bytes.subarray(end);
    }
  }
}
