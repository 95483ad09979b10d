/**
 * Standard output and standard error of a command. Node's own streams take milliseconds to load, which is a good part of a short command: a text goes to its descriptor at once
 * until somebody asks for the stream.
 */
import { fstatSync, writeSync } from 'node:fs';
import { utf8 } from '../../core/bytes.ts';
import { messageOf, systemCode } from '../../core/errors.ts';

/** Descriptors of standard output and standard error. */
type StandardDescriptor = 1 | 2;

const streams = new Map<StandardDescriptor, NodeJS.WriteStream>();

/** The stream of a descriptor, whose faults are those of the command. A process that serves asks for both first: a stream waits for a slow reader without stopping the thread. */
export function standardStream(fd: StandardDescriptor): NodeJS.WriteStream {
  let stream = streams.get(fd);
  if (stream === undefined) {
    stream = fd === 1 ? process.stdout : process.stderr;
    stream.on('error', (error: Error) => {
      failed(fd, error);
    });
    streams.set(fd, stream);
  }
  return stream;
}

/** Writes all of `text`, which may wait for a reader where nobody asked for the stream. Never throws: what fails is said on standard error and by the exit status. */
export function writeText(fd: StandardDescriptor, text: string): void {
  if (streams.has(fd)) {
    standardStream(fd).write(text);
    return;
  }
  const bytes = utf8(text);
  let done = 0;
  try {
    while (done < bytes.length) done += writeSync(fd, bytes, done);
  } catch (error) {
    // A parent may have set the descriptor not to block: the stream waits.
    if (systemCode(error) === 'EAGAIN') standardStream(fd).write(bytes.subarray(done));
    else failed(fd, error);
  }
}

/** Whether a person sees what is written there. */
export const isTerminal = (fd: StandardDescriptor): boolean =>
  (streams.has(fd) || isDevice(fd)) && standardStream(fd).isTTY;

/** Files and pipes are no terminals, and to be asked they need no stream. */
function isDevice(fd: StandardDescriptor): boolean {
  try {
    return fstatSync(fd).isCharacterDevice();
  } catch {
    return false;
  }
}

/** A reader that has gone, as `head -1` does, wanted no more: the command finishes what it does and ends as it would have. Any other fault of standard output is a failure of
 * the command; of one of standard error nothing is said, for there is nowhere left to say it. */
function failed(fd: StandardDescriptor, error: unknown): void {
  if (fd === 2 || systemCode(error) === 'EPIPE' || process.exitCode === 1) return;
  process.exitCode = 1;
  writeText(2, `mayfly: standard output cannot be written: ${messageOf(error)}\n`);
}
