/** Reads request bodies within two limits: on the size of each body, and on the memory of all. */
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { SMALL_BODY, type BodyMemory } from './body-memory.ts';
import { freeMemory, LARGER, onItsOwn } from './buffer-memory.ts';
import { closeAnswered } from './parser-limits.ts';
import type { LargeBodyQueue, Pausable } from './large-body-queue.ts';
import { TransportError } from './transport-error.ts';

/** Longest body that is read. Fulcio's is 4 MiB, but the largest request that can succeed is a token of 32 KiB with a
 * request for a certificate of 64 KiB. */
export const BODY_LIMIT = 256 * 1024;

/** A body over HTTP/1 that is too long, or was dropped because of the memory limit, is read and discarded up to here. */
const DISCARD_LIMIT = 8 * 1024 * 1024;

/** Bytes of a buffer of a refused body that is freed at once. */
const WORTH_FREEING = 1024;

/** Chunks of a body that are kept as they came; more are copied into one buffer. */
const LISTED_CHUNKS = 8;

/** Chunks of a body that may have any size; those beyond must have {@link MIN_CHUNK} bytes on average. No network splits a
 * body into smaller ones, but a client with chunked encoding can, and each costs as much time as an honest kilobyte. */
const FREE_CHUNKS = 32;
const MIN_CHUNK = 256;

const tooLarge = (limit: number): TransportError =>
  new TransportError('BODY_TOO_LARGE', `the request body is longer than ${limit / 1024} KiB`, {
    hint: 'A token and a key, or a digest, are a few kilobytes: look whether a file was sent in their place.',
  });

const fragmented = (): TransportError =>
  new TransportError('BODY_MALFORMED', 'the request body comes in chunks of less than 256 bytes on average', {
    hint: 'Send it as a whole, over HTTP with a Content-Length: a signing request is a few kilobytes.',
  });

/** The error for a body that was dropped because of the memory limit. */
export const tooBusy = (): TransportError =>
  new TransportError('TOO_BUSY', 'the server is reading as much as it can hold', {
    hint: 'Try again in a second.',
  });

/** A complete body. Until it is taken it may be dropped for others, like an incomplete one. */
export interface Body {
  readonly size: number;
  /** Its bytes, whose memory is held until `release` is called, which may empty them; undefined when it was dropped. */
  take(): Buffer | undefined;
  readonly release: () => void;
}

/** What all bodies of a service share. */
export interface BodyLimits {
  readonly memory: BodyMemory;
  readonly queue: LargeBodyQueue;
  /** Bytes of the longest that is read, {@link BODY_LIMIT} by default. */
  readonly longest?: number | undefined;
}

/** What is called back: the complete body, or why there is none, or undefined when the connection ended. */
type BodyCallback = (result: Body | TransportError | undefined) => void;

/** What a body comes on. */
interface BodyConnection {
  readonly connection: Pausable;
  /** Bytes of a refused body up to which the rest is read and discarded, because a client that is still writing would not see the
   * answer otherwise. */
  readonly discardUpTo: number;
  /** Reads nothing more of this body, and then answers. */
  readonly cutOff: (answer: () => void) => void;
}

/** Why the bodies of requests cannot be had that another thread has read. */
const refusedBodies = new WeakMap<IncomingMessage, TransportError>();

/** Has {@link readBody} call back with `error` for this request: its body could not be read where it came. */
export function refuseBody(request: IncomingMessage, error: TransportError): void {
  refusedBodies.set(request, error);
}

/** Calls back once: with the complete body, or with a {@link TransportError}, or with undefined when the connection
 * ended. What a refused body held is freed at once. While `isCrowded` says so, it is read like a large one. */
export function readBody(
  request: IncomingMessage,
  limits: BodyLimits,
  done: BodyCallback,
  isCrowded: () => boolean = () => false,
): void {
  const refused = refusedBodies.get(request);
  if (refused !== undefined) {
    done(refused.code === 'BODY_TOO_LARGE' ? tooLarge(limits.longest ?? BODY_LIMIT) : refused);
    return;
  }
  const { socket } = request;
  const cutOff = (answer: () => void): void => {
    closeAnswered(socket, answer);
  };
  readStream(request, { connection: socket, discardUpTo: DISCARD_LIMIT, cutOff }, limits, done, isCrowded);
}

/** {@link readBody} of any stream; it emits `error` or `close` when its client goes away. */
export function readStream(
  stream: Readable,
  { connection, discardUpTo, cutOff }: BodyConnection,
  { memory, queue, longest = BODY_LIMIT }: BodyLimits,
  done: BodyCallback,
  isCrowded: () => boolean,
): void {
  const chunks = new Chunks(longest);
  let failure: TransportError | undefined;
  let isDone = false;
  const held = memory.open(() => {
    refuse(tooBusy());
  });
  const release = (): void => {
    chunks.free();
    held.release();
  };
  const refuse = (error: TransportError): void => {
    failure ??= error;
    chunks.free(WORTH_FREEING);
    release();
    if (chunks.size > discardUpTo) finish(failure);
  };
  const finish = (result: Body | TransportError | undefined): void => {
    if (isDone) return;
    isDone = true;
    if (result === undefined || result instanceof TransportError) release();
    done(result);
  };
  stream.on('data', (chunk: Buffer) => {
    const grown = chunks.add(chunk);
    if (chunks.isFragmented) {
      cutOff(() => {
        finish(fragmented());
      });
    } else if (chunks.size > longest) {
      refuse(tooLarge(longest));
    } else held.grow(grown);
    if (!isDone && (chunks.size > SMALL_BODY || isCrowded())) queue.defer(connection);
  });
  stream.on('end', () => {
    if (failure !== undefined) {
      finish(failure);
      return;
    }
    const take = (): Buffer | undefined => {
      if (failure !== undefined) return undefined;
      held.complete();
      return chunks.whole();
    };
    finish({ size: chunks.size, take, release });
  });
  const gone = (): void => {
    finish(undefined);
  };
  stream.on('error', gone);
  stream.on('close', gone);
}

/** The chunks of a body: a list of the first few, and one buffer when there are more, because a small buffer takes a
 * multiple of its content in memory. */
class Chunks {
  readonly #longest: number;
  #list: Buffer[] = [];
  #buffer: Buffer | undefined;
  #isFreed = false;
  #count = 0;
  /** Bytes that arrived. */
  size = 0;

  /** `longest` in bytes: more is not kept. */
  constructor(longest: number) {
    this.#longest = longest;
  }

  /** Whether the chunks are smaller than any network makes them. */
  get isFragmented(): boolean {
    return this.#count > FREE_CHUNKS && this.size < (this.#count - FREE_CHUNKS) * MIN_CHUNK;
  }

  /** Returns by how many bytes the memory held grows. */
  add(received: Buffer): number {
    const chunk = onItsOwn(received);
    const offset = this.size;
    this.size += chunk.length;
    this.#count++;
    if (this.#isFreed || this.size > this.#longest) {
      freeMemory(chunk);
      return 0;
    }
    if (this.#buffer === undefined && this.#count <= LISTED_CHUNKS) {
      this.#list.push(chunk);
      return chunk.length;
    }
    const before = this.#buffer?.length ?? offset;
    const buffer = this.size <= before && this.#buffer !== undefined ? this.#buffer : this.#enlarge(offset);
    chunk.copy(buffer, offset);
    freeMemory(chunk);
    return buffer.length - before;
  }

  /** All chunks in one buffer. To be called once, when no more are added. */
  whole(): Buffer {
    const [only] = this.#list;
    if (this.#buffer === undefined && only !== undefined && this.#list.length === 1) return only;
    return (this.#buffer ?? this.#enlarge(this.size)).subarray(0, this.size);
  }

  /** Frees all memory, that of buffers of at least so many bytes at once; what is added later is discarded. */
  free(least = LARGER): void {
    this.#isFreed = true;
    for (const chunk of this.#list) freeMemory(chunk, least);
    if (this.#buffer !== undefined) freeMemory(this.#buffer, least);
    this.#list = [];
    this.#buffer = undefined;
  }

  /** A larger buffer with the first `used` bytes in it. */
  #enlarge(used: number): Buffer {
    const capacity = used === this.size ? used : 2 * this.size;
    const buffer = Buffer.allocUnsafe(Math.min(this.#longest, capacity));
    let offset = 0;
    for (const part of this.#buffer === undefined ? this.#list : [this.#buffer]) {
      offset += part.copy(buffer, offset, 0, Math.min(part.length, used - offset));
      freeMemory(part);
    }
    this.#list = [];
    return (this.#buffer = buffer);
  }
}
