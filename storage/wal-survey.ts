/**
 * Looks through the write-ahead log beside `commit.db`, as SQLite keeps it (https://www.sqlite.org/fileformat2.html,
 * section 4). SQLite reads it up to the first frame whose checksum is wrong, takes everything behind for the rest of an
 * interrupted write, and says nothing. That is right after a power cut, which can spoil the last transaction only. A
 * damaged frame further up would take synced transactions with it: a log that goes on without them is a fork.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { systemCode } from '../core/errors.ts';
import { FileFault } from './file-fault.ts';

/** The newest content of the pages that a write-ahead log holds, as SQLite reads them. */
export interface WalPages {
  /** Bytes of a page. */
  readonly size: number;
  /** Pages of the database after the last transaction. */
  readonly count: number;
  /** For the number of a page, from 1 on: the byte of the write-ahead log where its content begins. */
  readonly places: ReadonlyMap<number, number>;
}

/** What a write-ahead log holds. */
export interface WalSurvey {
  /** Bytes of the file. */
  readonly bytes: number;
  /** Frames that SQLite will use. */
  readonly frames: number;
  /** What is in those frames. */
  readonly pages: WalPages;
  /** The byte from which on nothing of the last transaction in the file counts: an interrupted write, or damage. */
  readonly tornAt?: number;
  /** The first byte of what cannot be read although later transactions follow, so that it was synced. */
  readonly damagedAt?: number;
}

const HEADER = 32;
const FRAME_HEADER = 24;
/** The two values of the first word: checksums over words of either byte order. */
const MAGIC_LITTLE = 0x377f0682;
const MAGIC_BIG = 0x377f0683;
const IS_LITTLE = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

/** Most bytes that are read at once, unless a frame has more: a file of hundreds of MB is gone through at each start. */
const BLOCK = 1024 * 1024;

const NO_PAGES: WalPages = { size: 0, count: 0, places: new Map() };

type Sum = readonly [number, number];

/** SQLite's checksum over the words `from` … `to`, going on from `seed`. */
function sumOf(words: Uint32Array, from: number, to: number, seed: Sum): Sum {
  // Taken apart as an array these would stay objects for the engine: five times slower.
  let a = seed[0] | 0;
  let b = seed[1] | 0;
  for (let at = from; at < to; at += 2) {
    a = (a + (words[at] ?? 0) + b) | 0;
    b = (b + (words[at + 1] ?? 0) + a) | 0;
  }
  return [a >>> 0, b >>> 0];
}

/** The words of `bytes` in the order in which the checksums count them. */
function wordsOf(bytes: Uint8Array, little: boolean): Uint32Array {
  const inOrder = little === IS_LITTLE ? bytes : Buffer.from(bytes).swap32();
  return new Uint32Array(inOrder.buffer, inOrder.byteOffset, inOrder.length / 4);
}

const same = (a: Sum, b: Sum): boolean => a[0] === b[0] && a[1] === b[1];
const pairAt = (bytes: DataView, at: number): Sum => [bytes.getUint32(at), bytes.getUint32(at + 4)];

/** Reads the file at `path`, changing nothing; a missing one is empty. Throws a FileFault. */
export function surveyWal(path: string): WalSurvey {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return { bytes: 0, frames: 0, pages: NO_PAGES };
    throw new FileFault(path, 'opened', error);
  }
  try {
    return survey(file, fstatSync(file).size);
  } catch (error) {
    throw new FileFault(path, 'read', error);
  } finally {
    closeSync(file);
  }
}

function survey(file: number, bytes: number): WalSurvey {
  const head = new Uint8Array(HEADER);
  const header = readFully(file, head, 0) === HEADER ? headerOf(head) : undefined;
  if (header !== undefined) return walk(file, bytes, header);
  // A header is written whole and synced before the first frame: a bad one before frames is no interrupted write.
  const damage = bytes > HEADER + FRAME_HEADER ? { damagedAt: 0 } : {};
  return { bytes, frames: 0, pages: NO_PAGES, ...damage };
}

interface Header {
  readonly little: boolean;
  readonly pageSize: number;
  readonly salt: Sum;
  readonly sum: Sum;
}

/** Undefined when it is damaged. */
function headerOf(bytes: Uint8Array): Header | undefined {
  const view = new DataView(bytes.buffer);
  const [magic, pageSize] = [view.getUint32(0), view.getUint32(8)];
  const little = magic === MAGIC_LITTLE;
  const sum = pairAt(view, 24);
  if (!little && magic !== MAGIC_BIG) return undefined;
  if (!same(sumOf(wordsOf(bytes, little), 0, 24 / 4, [0, 0]), sum)) return undefined;
  const isPageSize = pageSize >= 512 && pageSize <= 65_536 && Number.isInteger(Math.log2(pageSize));
  return isPageSize ? { little, pageSize, salt: pairAt(view, 16), sum } : undefined;
}

/** A frame is of this generation of the file by its salt, and of its place by the checksum of the frame before. */
function walk(file: number, bytes: number, header: Header): WalSurvey {
  const used = new UsedPages(header.pageSize);
  let [before, frames, ours] = [header.sum, 0, 0];
  let firstBad: number | undefined;
  let isSynced = false;
  for (const frame of framesOf(file, header)) {
    const isOurs = same(frame.salt, header.salt);
    const isGood = isOurs && frame.follows(before);
    if (!isGood) firstBad ??= frame.at;
    if (isOurs) ours = frame.n + 1;
    if (firstBad === undefined) used.add(frame);
    if (firstBad === undefined && frame.isCommit) frames = frame.n + 1;
    // What lies behind the end of a transaction was written after that transaction was synced.
    if (firstBad !== undefined && isGood && isSynced)
      return { bytes, frames, pages: used.pages, damagedAt: firstBad };
    if (firstBad !== undefined && frame.isCommit && (isGood || frame.at === firstBad)) isSynced = true;
    before = frame.sum;
  }
  const tornAt = HEADER + frames * (FRAME_HEADER + header.pageSize);
  return { bytes, frames, pages: used.pages, ...(ours > frames ? { tornAt } : {}) };
}

/** The pages of whole transactions. */
class UsedPages {
  readonly #size: number;
  readonly #places = new Map<number, number>();
  #count = 0;
  #open: Frame[] = [];

  constructor(size: number) {
    this.#size = size;
  }

  add(frame: Frame): void {
    this.#open.push(frame);
    if (!frame.isCommit) return;
    for (const { page, at } of this.#open) this.#places.set(page, at + FRAME_HEADER);
    this.#count = frame.databasePages;
    this.#open = [];
  }

  get pages(): WalPages {
    return { size: this.#size, count: this.#count, places: this.#places };
  }
}

/** A frame as it lies there. */
interface Frame {
  /** From 0 on. */
  readonly n: number;
  /** The byte where it begins. */
  readonly at: number;
  readonly page: number;
  readonly isCommit: boolean;
  /** Pages of the database after this transaction, at its end; 0 before. */
  readonly databasePages: number;
  readonly salt: Sum;
  /** The checksum in its header. */
  readonly sum: Sum;
  /** Whether that checksum follows from the one before. To be asked before the next frame is read. */
  readonly follows: (before: Sum) => boolean;
}

/** The whole frames of the file, one after the other. */
function* framesOf(file: number, { pageSize, little }: Header): Generator<Frame> {
  const length = FRAME_HEADER + pageSize;
  const block = new Uint8Array(length * Math.max(1, Math.floor(BLOCK / length)));
  const view = new DataView(block.buffer);
  for (let n = 0; ;) {
    const count = Math.floor(readFully(file, block, HEADER + n * length) / length);
    if (count === 0) return;
    const words = wordsOf(block, little);
    for (let i = 0; i < count; i++, n++) {
      const start = i * length;
      const sum = pairAt(view, start + 16);
      const databasePages = view.getUint32(start + 4);
      yield {
        n,
        at: HEADER + n * length,
        page: view.getUint32(start),
        salt: pairAt(view, start + 8),
        sum,
        databasePages,
        isCommit: databasePages !== 0,
        follows: (before) => {
          const head = sumOf(words, start / 4, (start + 8) / 4, before);
          return same(sumOf(words, (start + FRAME_HEADER) / 4, (start + length) / 4, head), sum);
        },
      };
    }
  }
}

/** Fills `bytes` from the byte `at` on, as far as the file goes; returns how many there were. */
function readFully(file: number, bytes: Uint8Array, at: number): number {
  for (let length = 0; ;) {
    const count = readSync(file, bytes, length, bytes.length - length, at + length);
    length += count;
    if (count === 0 || length === bytes.length) return length;
  }
}
