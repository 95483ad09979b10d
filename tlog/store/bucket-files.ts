/**
 * The files of a log in a bucket, under the paths at which they are served: so that readers, or a CDN, can have them straight from there.
 *
 * A put that got no answer may land at any later time. That harms nothing, because only bytes that the committed head determines are ever sent to
 * the path of a tile, and what is replaced (the checkpoint, the description) is replaced only where it is still what was read. A crash leaves a file whole or not there.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { equalBytes, utf8Text } from '../../core/bytes.ts';
import {
  BucketError,
  type Bucket,
  type BucketObject,
  type PutCondition,
  type PutOutcome,
} from '../../storage/bucket.ts';
import { LogError } from '../core/log-error.ts';
import { mostBytes } from '../core/log-file.ts';
import { sha256 } from '../core/sha256.ts';

/**
 * How files are put. `conditional`: only where nothing is, which the store decides, so that any number of writers may put. `plain`: what is there is read first, which is
 * right with one writer only, for stores that know no conditions.
 */
export type BucketWrites = 'conditional' | 'plain';

/** What the bucket was found to do. */
export interface BucketProbe {
  /** Puts at the same moment of which each was to be the only one. */
  readonly rivals: number;
  /** Whether it compares the bytes that come with the checksum that comes with them. */
  readonly checks: boolean;
}

/** Milliseconds until a file must be put, or read; and between two attempts, the first and the longest. */
const PUT_MS = 20_000;
const GET_MS = 10_000;
const FIRST_RETRY = 50;
const LONGEST_RETRY = 2_000;

/** Rivals of the probe. */
const RIVALS = 8;
/** Probes that may come to nothing because the store has no time. */
const PROBES = 3;

const CHECKPOINT = { contentType: 'text/plain; charset=utf-8', cacheControl: 'public, max-age=2' };
/** As the service serves it. */
const DESCRIPTION = { contentType: 'application/json', cacheControl: 'public, max-age=60' };
const IMMUTABLE = 'public, max-age=604800, immutable';

/** The number of entries that the text of a checkpoint says (c2sp.org/tlog-checkpoint): its second line. Less than any for what is none, which is replaced. */
const sizeIn = (checkpoint: Uint8Array): number =>
  Number(/^[^\n]*\n([0-9]{1,15})\n/.exec(utf8Text(checkpoint.subarray(0, 1024)))?.[1] ?? -1);

/** What is served with a file. */
function headersOf(path: string): { readonly contentType: string; readonly cacheControl: string } {
  if (path.startsWith('issuer/')) return { contentType: 'application/pkix-cert', cacheControl: IMMUTABLE };
  return { contentType: 'application/octet-stream', cacheControl: IMMUTABLE };
}

/** The files of one log. */
export class BucketFiles {
  readonly #bucket: Bucket;
  readonly #name: string;
  readonly #writes: BucketWrites;
  /** Whether a checksum goes with what is put: not before the store was seen to understand it. */
  #checks = false;

  /** `name`: the URL of what is in the bucket, for messages. */
  constructor(bucket: Bucket, name: string, writes: BucketWrites) {
    this.#bucket = bucket;
    this.#name = name;
    this.#writes = writes;
  }

  /** Puts a file that never changes, and reads it back. Rejects with {@link LogError}: `LOG_CORRUPT` when other bytes are there, `LOG_STORAGE`. */
  put(path: string, bytes: Uint8Array): Promise<void> {
    return this.#within(PUT_MS, async () => {
      if (this.#writes === 'plain' && (await this.#isThere(path, bytes))) return true;
      const outcome = await this.#send(path, bytes, this.#writes === 'plain' ? undefined : 'absent');
      // A success is believed only when the bytes can be read; a file that was there is compared. Nothing to read yet: a put of before is under way.
      return outcome !== 'conflict' && (await this.#isThere(path, bytes));
    });
  }

  /** The bytes, or undefined when there is no such file. Rejects with {@link LogError} `LOG_STORAGE`. */
  async get(path: string): Promise<Uint8Array | undefined> {
    let found: BucketObject | undefined;
    await this.#within(GET_MS, async () => {
      found = await this.#bucket.get(path, mostBytes(path));
      return true;
    });
    return found?.bytes;
  }

  /** Puts the checkpoint in the place of the one that is there, unless that one is of as many entries or more: another writer's may come first. Rejects with {@link LogError} `LOG_STORAGE`. */
  putCheckpoint(path: string, bytes: Uint8Array): Promise<void> {
    return this.#within(PUT_MS, async () => {
      const there = await this.#bucket.get(path, mostBytes(path));
      if (there !== undefined && sizeIn(there.bytes) >= sizeIn(bytes)) return true;
      return this.#replace(path, there, bytes, CHECKPOINT);
    });
  }

  /** Puts what a log says of itself in the place of what is there, if that is anything else. Rejects with {@link LogError} `LOG_STORAGE`. */
  putDescription(path: string, bytes: Uint8Array): Promise<void> {
    return this.#within(PUT_MS, async () => {
      const there = await this.#bucket.get(path, mostBytes(path));
      if (there !== undefined && equalBytes(there.bytes, bytes)) return true;
      return this.#replace(path, there, bytes, DESCRIPTION);
    });
  }

  /** Puts a checkpoint in the place of exactly `expected`, undefined for none. False, and nothing changes, when another one is there. Rejects with {@link LogError} `LOG_STORAGE` when it is not known what became of it. */
  async swap(path: string, expected: Uint8Array | undefined, bytes: Uint8Array): Promise<boolean> {
    let isSwapped = false;
    await this.#within(PUT_MS, async () => {
      const there = await this.#bucket.get(path, mostBytes(path));
      // Its answer may have been lost.
      isSwapped = there !== undefined && equalBytes(there.bytes, bytes);
      if (isSwapped) return true;
      const isExpected =
        there === undefined
          ? expected === undefined
          : expected !== undefined && equalBytes(there.bytes, expected);
      if (!isExpected) return true;
      const condition: PutCondition = there === undefined ? 'absent' : { etag: there.etag };
      isSwapped = (await this.#bucket.put(path, bytes, { ...CHECKPOINT, condition })) === 'stored';
      return isSwapped;
    });
    return isSwapped;
  }

  /** The paths that begin with `start`, a thousand at most. Rejects with {@link LogError} `LOG_STORAGE`. */
  async list(start: string): Promise<string[]> {
    let found: string[] = [];
    await this.#within(GET_MS, async () => {
      found = await this.#bucket.list(start);
      return true;
    });
    return found;
  }

  /** Removes files that begin with `start`, as far as that is allowed: never rejects. */
  async removeAll(start: string): Promise<void> {
    try {
      for (const path of await this.#bucket.list(start)) await this.#bucket.remove(path);
    } catch {
      // They are in nobody's way, and only cost their room.
    }
  }

  /**
   * Proves that the store keeps what {@link put} rests on: of puts of different bytes at the same moment one is stored, and what is read then are its bytes. Finds out whether it compares checksums.
   * Rejects with {@link LogError}: `LOG_UNSUITABLE_STORAGE` when it does not keep it, `LOG_STORAGE` when nothing can be said.
   */
  async probe(key: string): Promise<BucketProbe> {
    const rivals = this.#writes === 'plain' ? 1 : await this.#probeRivals(key);
    const path = `${key}-sum`;
    const checks = await this.#probeChecksum(path);
    await this.#bucket.remove(path).catch(() => undefined);
    this.#checks = checks;
    return { rivals, checks };
  }

  async #probeRivals(key: string): Promise<number> {
    for (let left = PROBES; left > 0; left--) {
      const path = `${key}-${left}`;
      const bodies = Array.from({ length: RIVALS }, (_, i) => new Uint8Array(1024).fill(i));
      const outcomes = await Promise.all(bodies.map((bytes) => this.#try(path, bytes, 'absent')));
      const winners = bodies.filter((_, i) => outcomes[i] === 'stored');
      await this.#judge(path, winners, outcomes);
      await this.#bucket.remove(path).catch(() => undefined);
      if (winners.length === 1) return RIVALS;
    }
    throw new LogError('LOG_STORAGE', `${this.#name} had no time for a probe of what it keeps`, {
      hint: 'Try again when it answers.',
    });
  }

  /** Says nothing where no rival was stored: the store may have had no time. */
  async #judge(
    path: string,
    [winner, second]: readonly Uint8Array[],
    outcomes: readonly (PutOutcome | BucketError)[],
  ): Promise<void> {
    if (second !== undefined)
      throw this.#unsuitable('stored several objects of which each was to be put only where nothing is');
    const refused = outcomes.find((one) => one instanceof BucketError && one.code === 'BUCKET_REFUSED');
    if (refused instanceof BucketError) {
      // Such a request is not known to it; anything else may be put right.
      if (['400', '501'].includes(refused.metadata['status'] ?? ''))
        throw this.#unsuitable(`does not take what is to be put only where nothing is: ${refused.message}`);
      await this.#inWords(() => Promise.reject(refused));
    }
    if (winner === undefined) return;
    const there = await this.get(path);
    if (there === undefined || !equalBytes(there, winner))
      throw this.#unsuitable('answers other bytes than those that it said it stored');
    if ((await this.#try(path, winner, { etag: '"0"' })) === 'stored')
      throw this.#unsuitable('replaced an object although another one was to be replaced');
  }

  #try(path: string, bytes: Uint8Array, condition: PutCondition): Promise<PutOutcome | BucketError> {
    return this.#bucket.put(path, bytes, { ...CHECKPOINT, condition }).catch(asValue);
  }

  /** A store that takes the right sum and refuses a wrong one. */
  async #probeChecksum(path: string): Promise<boolean> {
    const bytes = new Uint8Array(32).fill(7);
    const send = (sum: Uint8Array): Promise<PutOutcome | BucketError> =>
      this.#bucket.put(path, bytes, { ...CHECKPOINT, sha256: sum }).catch(asValue);
    return (await send(sha256(bytes))) === 'stored' && (await send(sha256(Uint8Array.of(1)))) !== 'stored';
  }

  /** False when what is there is not `there` any more. */
  async #replace(
    path: string,
    there: BucketObject | undefined,
    bytes: Uint8Array,
    headers: typeof CHECKPOINT,
  ): Promise<boolean> {
    const condition: PutCondition = there === undefined ? 'absent' : { etag: there.etag };
    const conditions = this.#writes === 'conditional' ? { condition } : {};
    return (await this.#bucket.put(path, bytes, { ...headers, ...conditions })) === 'stored';
  }

  #unsuitable(what: string): LogError {
    return new LogError('LOG_UNSUITABLE_STORAGE', `${this.#name} ${what}`, {
      hint: 'Use a store that decides If-None-Match and If-Match for one writer at a time. Where one process alone writes the log, its operator may say `writes: plain`.',
    });
  }

  #send(path: string, bytes: Uint8Array, condition: PutCondition | undefined): Promise<PutOutcome> {
    const sum = this.#checks ? { sha256: sha256(bytes) } : {};
    return this.#bucket.put(path, bytes, { ...headersOf(path), ...sum, condition });
  }

  /** Whether the file is there with these bytes. Throws {@link LogError} `LOG_CORRUPT` for others. */
  async #isThere(path: string, bytes: Uint8Array): Promise<boolean> {
    const there = await this.#bucket.get(path, mostBytes(path));
    if (there === undefined) return false;
    if (equalBytes(there.bytes, bytes)) return true;
    throw new LogError('LOG_CORRUPT', `${this.#name}/${path} is there with other bytes`, {
      hint: 'Run `mayfly log check`, and find out who writes there. Put back the right file from a copy of the log, or move the wrong one away.',
    });
  }

  /** Calls `step` until it says that all is done. */
  async #within(ms: number, step: () => Promise<boolean>): Promise<void> {
    const end = performance.now() + ms;
    for (let wait = FIRST_RETRY; ; wait = Math.min(2 * wait, LONGEST_RETRY)) {
      const failure = await this.#inWords(step).then(
        (isDone) => (isDone ? undefined : this.#unanswered()),
        orThrow,
      );
      if (failure === undefined) return;
      if (performance.now() + wait > end) throw failure;
      await delay(wait * (0.5 + Math.random() / 2));
    }
  }

  #unanswered(): LogError {
    return new LogError('LOG_STORAGE', `${this.#name} is busy with another request for the same file`);
  }

  /** What the bucket does not do is an error of the log. */
  async #inWords<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof BucketError)) throw error;
      const { hint } = error;
      throw new LogError('LOG_STORAGE', `${this.#name}/${error.message}`, { hint, cause: error });
    }
  }
}

/** A failure that may pass; throws any other. */
function orThrow(error: unknown): LogError {
  const isPassing =
    error instanceof LogError && error.cause instanceof BucketError && error.cause.code === 'BUCKET_PASSING';
  if (isPassing) return error;
  throw error;
}

/** An error of the bucket as a value. */
const asValue = (error: unknown): BucketError => {
  if (error instanceof BucketError) return error;
  throw error;
};
