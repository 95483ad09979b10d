/**
 * Files that others may have made, read whole: never more than a limit, and never for ever. A name may lead to a pipe
 * that nobody writes to, to a device without an end, or to a file that still grows.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { systemCode } from '../core/errors.ts';

/** Why a file is not read, as the end of a sentence that begins with its name. */
export class UnfitFile extends Error {}

/** What is read. */
export interface ReadLimits {
  /** Most bytes. */
  readonly size: number;
  /** How long a pipe may be silent, in milliseconds; undefined where only files will do. */
  readonly pipePatience?: number | undefined;
}

const BLOCK = 64 * 1024;
/** How often a silent pipe is asked, in milliseconds. */
const ASK = 20;

/** The bytes of a file, or of a pipe where one will do. Throws {@link UnfitFile}, or the system's error. */
export async function readWhole(path: string, { size, pipePatience }: ReadLimits): Promise<Buffer> {
  // Opening a pipe for reading waits for its writer, and nothing could end that.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = await file.stat();
    if (stats.isDirectory()) throw new UnfitFile('is a directory');
    if (stats.isFIFO() && pipePatience !== undefined) return await readPipe(file, size, pipePatience);
    if (!stats.isFile()) throw new UnfitFile('is not a file');
    return await readFile(file, size, stats.size);
  } finally {
    await file.close();
  }
}

/** {@link readWhole} for a program that has nothing else to do meanwhile, which is faster; undefined for what is no file with a size, such as a pipe. Nothing of that was read. */
export function readWholeNow(path: string, size: number): Buffer | undefined {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(file);
    if (!stats.isFile() || stats.size === 0) return undefined;
    if (stats.size > size) throw tooLarge(size);
    const whole = Buffer.allocUnsafeSlow(stats.size);
    let at = 0;
    for (let count = -1; at < whole.length && count !== 0; at += count)
      count = readSync(file, whole, at, whole.length - at, null);
    return whole.subarray(0, at);
  } finally {
    closeSync(file);
  }
}

/** As long as it was when it was opened; what is appended meanwhile is not read. */
async function readFile(file: FileHandle, size: number, length: number): Promise<Buffer> {
  const read = (buffer: Buffer): Promise<number> => file.read(buffer).then(({ bytesRead }) => bytesRead);
  // A file that the system makes up says that it is empty.
  if (length === 0) return readAll(size, read);
  if (length > size) throw tooLarge(size);
  const whole = Buffer.allocUnsafeSlow(length);
  let at = 0;
  for (let count = -1; at < length && count !== 0; at += count) count = await read(whole.subarray(at));
  return whole.subarray(0, at);
}

/** Nothing to read is no end, as long as nobody has written anything. */
function readPipe(file: FileHandle, size: number, waitMs: number): Promise<Buffer> {
  let hasBegun = false;
  return readAll(size, async (buffer) => {
    for (let waited = 0; waited <= waitMs; waited += ASK) {
      const length = await readNow(file, buffer);
      if (length !== undefined && (length > 0 || hasBegun)) {
        hasBegun = true;
        return length;
      }
      await pause(ASK);
    }
    throw new UnfitFile(`is a pipe to which nobody wrote for ${waitMs / 1000} s`);
  });
}

/** Undefined when there is nothing yet. */
async function readNow(file: FileHandle, buffer: Buffer): Promise<number | undefined> {
  try {
    return (await file.read(buffer)).bytesRead;
  } catch (error) {
    if (systemCode(error) === 'EAGAIN') return undefined;
    throw error;
  }
}

async function readAll(size: number, read: (buffer: Buffer) => Promise<number>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for (let length = 0; ;) {
    const buffer = Buffer.alloc(Math.min(BLOCK, size + 1));
    const count = await read(buffer);
    if (count === 0) return Buffer.concat(chunks);
    length += count;
    if (length > size) throw tooLarge(size);
    chunks.push(buffer.subarray(0, count));
  }
}

const tooLarge = (size: number): UnfitFile => new UnfitFile(`is larger than ${sizeText(size)}`);

const sizeText = (size: number): string =>
  size % (1 << 20) === 0
    ? `${size / (1 << 20)} MiB`
    : size % 1024 === 0
      ? `${size / 1024} KiB`
      : `${size} bytes`;

/** Whether nothing is at `path`. */
export async function isMissing(path: string): Promise<boolean> {
  return stat(path).then(
    () => false,
    (error: unknown) => systemCode(error) === 'ENOENT',
  );
}
