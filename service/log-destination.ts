import type { DestinationStream } from 'pino';
import { openOutput, type Output } from '../storage/output.ts';

/** Lines are written when this many characters wait, and at the latest after {@link FLUSH_INTERVAL}: a write for each
 * turn of the event loop costs more than making its lines, and the threads that write take their time from the one that issues. */
const WRITE_SIZE = 32 * 1024;

/** Milliseconds. */
const FLUSH_INTERVAL = 200;

/** Characters that may wait for a reader that does not read, of some 300 each line; what is over is lost and counted. */
const MOST_WAITING = 4 * 1024 * 1024;

/** The service's log, by default on standard error, written in the background. Whatever the reader does, the service goes on and
 * ends: lines that it does not take are lost, and the next line that it takes says how many. A process that is killed
 * loses at most the lines of {@link FLUSH_INTERVAL}. */
export class LogDestination implements DestinationStream {
  readonly #output: Output;
  /** What waits, and of how many lines it is. */
  #waiting = '';
  #lines = 0;
  #lost = 0;
  #isEnding = false;
  #writing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(output: Output = openOutput(2)) {
    this.#output = output;
    this.#flushAtExit();
  }

  /** Takes a line with its newline. Never throws. */
  write(line: string): void {
    if (this.#waiting.length + line.length > MOST_WAITING) {
      this.#lost++;
      return;
    }
    this.#waiting += line;
    this.#lines++;
    if (this.#isEnding) this.#flushAtExit();
    this.#schedule();
  }

  /** Writes what waits as far as that goes without waiting; nothing during a write, after which it is written anyway. */
  flushSync(): void {
    if (this.#writing === undefined) this.#output.writeNow(this.#take().bytes);
  }

  /** Resolves when nothing waits any more, or after `ms` milliseconds. For the end: from now on every line is written as
   * soon as it can be. */
  async drained(ms: number): Promise<void> {
    this.#isEnding = true;
    this.#schedule();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
    });
    await Promise.race([this.#writing, late]);
    clearTimeout(timer);
    // Where lines were lost, the exit says how many.
    if (this.#writing === undefined && this.#lost === 0) process.off('exit', this.#onExit);
  }

  /** Also during a write, which goes on without this thread: there is no later time for what waits. */
  readonly #onExit = (): void => {
    this.#output.writeNow(this.#take().bytes);
  };

  /** What still waits when the process exits is written then. A line that comes after {@link drained} asks for it again. */
  #flushAtExit(): void {
    process.off('exit', this.#onExit);
    process.once('exit', this.#onExit);
  }

  #schedule(): void {
    if (this.#waiting === '' || this.#writing !== undefined) return;
    if (this.#isEnding || this.#waiting.length >= WRITE_SIZE) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#writing = this.#run();
    } else {
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        this.#writing ??= this.#run();
      }, FLUSH_INTERVAL).unref();
    }
  }

  async #run(): Promise<void> {
    do {
      const { bytes, lines, lost } = this.#take();
      try {
        await this.#output.write(bytes);
      } catch {
        // The reader is gone, or the disk full. A part may be there: written again, it would be there twice.
        this.#lost += lines + lost;
      }
    } while (this.#waiting !== '' && (this.#isEnding || this.#waiting.length >= WRITE_SIZE));
    this.#writing = undefined;
    this.#schedule();
  }

  /** What waits, behind a line for those that were lost. */
  #take(): { readonly bytes: Uint8Array; readonly lines: number; readonly lost: number } {
    const [lines, lost] = [this.#lines, this.#lost];
    const bytes = Buffer.from(lost === 0 ? this.#waiting : lostLine(lost) + this.#waiting);
    [this.#waiting, this.#lines, this.#lost] = ['', 0, 0];
    return { bytes, lines, lost };
  }
}

function lostLine(lines: number): string {
  const sentence = `the reader of this log did not take ${lines} lines`;
  const line = { level: 'warn', time: new Date().toISOString(), event: 'log lines lost', lines, sentence };
  return `${JSON.stringify(line)}\n`;
}
