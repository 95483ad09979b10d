/**
 * Standard output and standard error, written so that no reader of them can keep the process from going on or from ending.
 *
 * A plain write into a pipe whose reader has stopped reading stops the thread that does it, for as long as the reader
 * likes, and the process could not end either: its end waits for its threads. So pipes and sockets are written to by
 * the runtime's own stream, and a terminal, which Ctrl-S stops, by a descriptor that does not block.
 */
import { constants, fstatSync, openSync, write, writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { isatty } from 'node:tty';
import { promisify } from 'node:util';
import { systemCode } from '../core/errors.ts';

/** A descriptor for lines. */
export interface Output {
  /** Resolves when the system has all bytes: never, as long as the reader does not read. Rejects with the system's
   * error, and may have written a part. Not called again before that; holds no thread. */
  write(bytes: Uint8Array): Promise<void>;
  /** Writes as much as the system takes without waiting; nothing while a {@link write} is under way to a reader that
   * does not read, or of which a part is written. Where one has only begun, these bytes may come before its. For the end of the process. Never throws. */
  writeNow(bytes: Uint8Array): void;
}

/** Opens descriptor `fd` for writing without waiting, where it is 1 or 2, or a plain file. It stays open. */
export function openOutput(fd: number): Output {
  const found = fstatSync(fd);
  if ((fd === 1 || fd === 2) && (found.isFIFO() || found.isSocket())) return throughStream(fd);
  return throughDescriptor(isatty(fd) ? reopened(fd) : fd);
}

/** An error of the stream is one of the write that failed, which has it. */
const known = (): void => undefined;

function throughStream(fd: 1 | 2): Output {
  // Making the stream is what sets the descriptor not to block.
  const stream = fd === 1 ? process.stdout : process.stderr;
  if (!stream.listeners('error').includes(known)) stream.on('error', known);
  return {
    write: (bytes) =>
      new Promise((resolve, reject) => {
        stream.write(bytes, (error) => {
          if (error == null) resolve();
          else reject(error);
        });
      }),
    writeNow: (bytes) => {
      if (stream.writableLength === 0) writeQuietly(fd, bytes);
    },
  };
}

/** Milliseconds until a terminal is tried again that takes nothing. */
const PAUSE = 50;

const writeSome = promisify(write);

function throughDescriptor(fd: number): Output {
  /** Whether a write goes on that the system did not take whole: what is written now would be in the middle of its lines. */
  let isHeldUp = false;
  return {
    write: async (bytes) => {
      try {
        for (let done = 0; done < bytes.length; isHeldUp = done < bytes.length) {
          try {
            done += (await writeSome(fd, bytes.subarray(done))).bytesWritten;
          } catch (error) {
            if (systemCode(error) !== 'EAGAIN') throw error;
            isHeldUp = true;
            await delay(PAUSE, undefined, { ref: false });
          }
        }
      } finally {
        isHeldUp = false;
      }
    },
    writeNow: (bytes) => {
      if (!isHeldUp) writeQuietly(fd, bytes);
    },
  };
}

/** The same terminal by a descriptor of our own that does not block; the given one where it may not be opened again. */
function reopened(fd: number): number {
  try {
    return openSync(`/dev/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    return fd;
  }
}

function writeQuietly(fd: number, bytes: Uint8Array): void {
  try {
    for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done);
  } catch {
    // The reader is gone, or takes no more now.
  }
}
