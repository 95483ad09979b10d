/** Reads request bodies under two limits: one for each body and one for all that are held. */
import type { IncomingMessage } from 'node:http';
import { SMALL_BODY, type BodyMemory } from './body-memory.ts';
import { abortConnection } from './parser-limits.ts';
import type { LargeBodyQueue } from './large-body-queue.ts';
import { TransportError } from './transport-error.ts';

/** Longest body that is read. Fulcio's is 4 MiB, but the largest request that can succeed is a token of 32 KiB with a
 * request for a certificate of 64 KiB. */
export const BODY_LIMIT = 256 * 1024;

/** A body that is too long, or was dropped for want of memory, is read on and discarded up to here, because a client that
 * still writes would never see the answer. */
const DISCARD_LIMIT = 8 * 1024 * 1024;

/** Chunks of a body that are kept as they came; more are copied into one buffer. */
const LISTED_CHUNKS = 8;

/** Chunks of a body that may have any size; those beyond must have {@link MIN_CHUNK} bytes on average. No network splits a
 * body into smaller ones, and each costs as much time as an honest kilobyte. */
const FREE_CHUNKS = 32;
const MIN_CHUNK = 256;

const tooLarge = (): TransportError =>
  new TransportError('BODY_TOO_LARGE', 'the request body is longer than 256 KiB', {
    hint: 'A signing request is a token and a key; a few kilobytes.',
  });

const tooBusy = (): TransportError =>
  new TransportError('TOO_BUSY', 'the server is reading as much as it can hold', {
    hint: 'Try again in a second.',
  });

/** A complete body. Its memory is held until `release` is called. */
export interface Body {
  readonly bytes: Buffer;
  readonly release: () => void;
}

/** What all bodies of a service share. */
export interface BodyLimits {
  readonly memory: BodyMemory;
  readonly queue: LargeBodyQueue;
}

/** Calls back once: with the complete body, or with a {@link TransportError}, or with undefined when the connection
 * ended. What a refused body held is freed at once. */
export function readBody(
  request: IncomingMessage,
  { memory, queue }: BodyLimits,
  done: (result: Body | TransportError | undefined) => void,
): void {
  const chunks = new Chunks();
  let failure: TransportError | undefined;
  let isDone = false;
  const held = memory.open(() => {
    refuse(tooBusy());
  });
  const refuse = (error: TransportError): void => {
    failure ??= error;
    chunks.drop();
    held.release();
  };
  const finish = (result: Body | TransportError | undefined): void => {
    if (isDone) return;
    isDone = true;
    if (result === undefined || result instanceof TransportError) held.release();
    else held.complete();
    done(result);
  };
  request.on('data', (chunk: Buffer) => {
    const grown = chunks.add(chunk);
    if (chunks.isFragmented) abortConnection(request.socket);
    else if (chunks.size > DISCARD_LIMIT) finish(failure);
    else if (chunks.size > BODY_LIMIT) refuse(tooLarge());
    else held.grow(grown);
    if (chunks.size > SMALL_BODY && !isDone) queue.defer(request.socket);
  });
  request.on('end', () => {
    finish(failure ?? { bytes: chunks.whole(), release: held.release });
  });
  const gone = (): void => {
    finish(undefined);
  };
  request.on('error', gone);
  request.on('close', gone);
}

/** The chunks of a body: a list of the first few, and one buffer when there are more, because a small buffer takes a
 * multiple of its content in memory. */
class Chunks {
  #list: Buffer[] = [];
  #buffer: Buffer | undefined;
  #isDropped = false;
  #count = 0;
  /** Bytes that arrived. */
  size = 0;

  /** Whether the chunks are smaller than any network makes them. */
  get isFragmented(): boolean {
    return this.#count > FREE_CHUNKS && this.size < (this.#count - FREE_CHUNKS) * MIN_CHUNK;
  }

  /** Returns by how many bytes the memory held grows. */
  add(chunk: Buffer): number {
    const offset = this.size;
    this.size += chunk.length;
    this.#count++;
    if (this.#isDropped || this.size > BODY_LIMIT) return 0;
    if (this.#buffer === undefined && this.#count <= LISTED_CHUNKS) {
      this.#list.push(chunk);
      return chunk.length;
    }
    const before = this.#buffer?.length ?? offset;
    const buffer = this.size <= before && this.#buffer !== undefined ? this.#buffer : this.#enlarge(offset);
    chunk.copy(buffer, offset);
    return buffer.length - before;
  }

  #enlarge(used: number): Buffer {
    const buffer = Buffer.allocUnsafe(Math.min(BODY_LIMIT, 2 * this.size));
    const old = this.#buffer ?? Buffer.concat(this.#list, used);
    old.copy(buffer, 0, 0, used);
    this.#list = [];
    return (this.#buffer = buffer);
  }

  drop(): void {
    this.#isDropped = true;
    this.#list = [];
    this.#buffer = undefined;
  }

  whole(): Buffer {
    if (this.#buffer !== undefined) return this.#buffer.subarray(0, this.size);
    const [only] = this.#list;
    return only !== undefined && this.#list.length === 1 ? only : Buffer.concat(this.#list);
  }
}
