/** Lines on an open file descriptor, such as standard output. */
import { write } from 'node:fs';
import { promisify } from 'node:util';
import type { Destination } from './destination.ts';

/** Milliseconds until a pipe is tried again whose reader is slow. */
const FULL_PIPE = 10;

const writeSome = promisify(write);

/** Writes in the background: a reader that does not read holds up nobody but the lines. The descriptor stays open. */
export function descriptorDestination(fd: number): Destination {
  return {
    name: 'stdout',
    deliver: async (lines) => {
      const bytes = Buffer.from(`${lines.join('\n')}\n`, 'latin1');
      for (let done = 0; done < bytes.length;) done += await writeOrWait(fd, bytes.subarray(done));
    },
    close: () => Promise.resolve(),
  };
}

/** Bytes written; 0 after a pause when the pipe is full and must not block. */
async function writeOrWait(fd: number, bytes: Uint8Array): Promise<number> {
  try {
    const { bytesWritten } = await writeSome(fd, bytes);
    return bytesWritten;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    // A reader that never reads must not keep the process from ending.
    await new Promise((resolve) => setTimeout(resolve, FULL_PIPE).unref());
    return 0;
  }
}
