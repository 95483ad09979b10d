/**
 * Looks through the write-ahead log beside `commit.db`, as SQLite keeps it (https://www.sqlite.org/fileformat2.html,
 * section 4). SQLite reads it up to the first frame whose checksum is wrong, takes everything behind for the rest of an
 * interrupted write, and says nothing. That is right after a power cut, which can spoil the last transaction only. A
 * damaged frame further up would take synced transactions with it: a log that goes on without them is a fork.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { systemCode } from '../core/errors.ts';
import { FileFault } from '../storage/file-fault.ts';

/** What a write-ahead log holds. */
export interface WalSurvey {
  /** Bytes of the file. */
  readonly bytes: number;
  /** Frames that SQLite will use. */
  readonly frames: number;
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

type Sum = readonly [number, number];

/** SQLite's checksum, going on from `seed`. */
function sumOf(bytes: DataView, from: number, to: number, little: boolean, seed: Sum): Sum {
  let [a, b] = seed;
  for (let at = from; at < to; at += 8) {
    a = (a + bytes.getUint32(at, little) + b) >>> 0;
    b = (b + bytes.getUint32(at + 4, little) + a) >>> 0;
  }
  return [a, b];
}

const same = (a: Sum, b: Sum): boolean => a[0] === b[0] && a[1] === b[1];
const pairAt = (bytes: DataView, at: number): Sum => [bytes.getUint32(at), bytes.getUint32(at + 4)];

/** A frame as it lies there. */
interface Frame {
  readonly salt: Sum;
  readonly isCommit: boolean;
  /** The checksum in its header. */
  readonly sum: Sum;
  /** Whether that checksum follows from the one before. */
  readonly follows: (before: Sum) => boolean;
}

/** Reads the file at `path`, changing nothing; a missing one is empty. Throws a FileFault. */
export function surveyWal(path: string): WalSurvey {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return { bytes: 0, frames: 0 };
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
  const head = read(file, 0, HEADER);
  const header = head === undefined ? undefined : headerOf(head);
  if (header !== undefined) return walk(file, bytes, header);
  // A header is written whole and synced before the first frame: a bad one before frames is no interrupted write.
  return { bytes, frames: 0, ...(bytes > HEADER + FRAME_HEADER ? { damagedAt: 0 } : {}) };
}

interface Header {
  readonly little: boolean;
  readonly pageSize: number;
  readonly salt: Sum;
  readonly sum: Sum;
}

/** Undefined when it is damaged. */
function headerOf(bytes: DataView): Header | undefined {
  const [magic, pageSize] = [bytes.getUint32(0), bytes.getUint32(8)];
  const little = magic === MAGIC_LITTLE;
  const sum = pairAt(bytes, 24);
  if (!little && magic !== MAGIC_BIG) return undefined;
  if (!same(sumOf(bytes, 0, 24, little, [0, 0]), sum)) return undefined;
  return { little, pageSize, salt: pairAt(bytes, 16), sum };
}

/** A frame is of this generation of the file by its salt, and of its place by the checksum of the frame before. */
function walk(file: number, bytes: number, header: Header): WalSurvey {
  const length = FRAME_HEADER + header.pageSize;
  const offsetOf = (n: number): number => HEADER + n * length;
  let [before, frames, ours] = [header.sum, 0, 0];
  let firstBad: number | undefined;
  let isSynced = false;
  for (let n = 0; ; n++) {
    const frame = frameAt(file, offsetOf(n), length, header.little);
    if (frame === undefined) break;
    const isOurs = same(frame.salt, header.salt);
    const isGood = isOurs && frame.follows(before);
    if (!isGood) firstBad ??= n;
    if (isOurs) ours = n + 1;
    if (firstBad === undefined && frame.isCommit) frames = n + 1;
    // What lies behind the end of a transaction was written after that transaction was synced.
    if (firstBad !== undefined && isGood && isSynced) return { bytes, frames, damagedAt: offsetOf(firstBad) };
    if (firstBad !== undefined && frame.isCommit && (isGood || n === firstBad)) isSynced = true;
    before = frame.sum;
  }
  return { bytes, frames, ...(ours > frames ? { tornAt: offsetOf(frames) } : {}) };
}

function frameAt(file: number, at: number, length: number, little: boolean): Frame | undefined {
  const bytes = read(file, at, length);
  if (bytes === undefined) return undefined;
  return {
    isCommit: bytes.getUint32(4) !== 0,
    salt: pairAt(bytes, 8),
    sum: pairAt(bytes, 16),
    follows: (before) => {
      const head = sumOf(bytes, 0, 8, little, before);
      return same(sumOf(bytes, FRAME_HEADER, length, little, head), pairAt(bytes, 16));
    },
  };
}

/** Undefined when the file ends before. */
function read(file: number, at: number, length: number): DataView | undefined {
  const bytes = new Uint8Array(length);
  return readSync(file, bytes, 0, length, at) === length ? new DataView(bytes.buffer) : undefined;
}
