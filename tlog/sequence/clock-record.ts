import { crc32 } from 'node:zlib';
import { join } from 'node:path';
import { utf8, utf8Text } from '../../core/bytes.ts';
import { messageOf } from '../../core/errors.ts';
import { writeDurably } from '../../storage/durable-file.ts';
import type { ClockReading } from '../../core/steadied-clock.ts';
import { readLogFile } from '../core/log-file.ts';

/** Name inside a log's directory. */
export const CLOCK_FILE = 'clock.json';

/** Milliseconds by which a clock must have been corrected before it is written again. */
const CHANGED = 100;

/**
 * Keeps what the clock was held to, so that a restart in a bad minute does not trust it. It says something only until the
 * machine is started again: a machine that was off cannot say for how long. A crash leaves the older file. One that is
 * missing, or that cannot be written, costs no more than that look at the past.
 */
export class ClockRecord {
  readonly #directory: string;
  readonly #boot: string | undefined;
  #written: ClockReading | undefined;
  #writing: Promise<void> | undefined;

  /** `boot` names the time since the machine was started; undefined where nothing does, and nothing is kept then. */
  constructor(directory: string, boot: string | undefined) {
    this.#directory = directory;
    this.#boot = boot;
  }

  /** What an earlier run kept since the machine was started. */
  async read(): Promise<ClockReading | undefined> {
    if (this.#boot === undefined) return undefined;
    try {
      const bytes = await readLogFile(this.#directory, CLOCK_FILE);
      const { boot, wall, uptime } = parseRecord(bytes ?? new Uint8Array());
      if (boot !== this.#boot) return undefined;
      this.#written = { wall, uptime };
      return this.#written;
    } catch {
      return undefined;
    }
  }

  /** Keeps `reading`, unless it says what is kept already. */
  note(reading: ClockReading | undefined): void {
    if (reading === undefined || this.#boot === undefined || this.#writing !== undefined) return;
    if (this.#written !== undefined && Math.abs(startOf(reading) - startOf(this.#written)) < CHANGED) return;
    this.#writing = this.#write(reading, this.#boot).then(() => {
      this.#writing = undefined;
    });
  }

  /** Until nothing is written any more. */
  async idle(): Promise<void> {
    await this.#writing;
  }

  async #write({ wall, uptime }: ClockReading, boot: string): Promise<void> {
    const path = join(this.#directory, CLOCK_FILE);
    try {
      const text = JSON.stringify({ boot, wall, uptime, sum: sumOf(boot, wall, uptime) });
      await writeDurably(path, utf8(`${text}\n`), 0o644);
      this.#written = { wall, uptime };
    } catch {
      // The next second is another try.
    }
  }
}

/** When the machine was started, by that clock: the same as long as the clock goes with the time. */
const startOf = ({ wall, uptime }: ClockReading): number => wall - uptime;

const sumOf = (boot: string, wall: number, uptime: number): number =>
  crc32(JSON.stringify([boot, wall, uptime]));

/** Throws for what is no such record, or a damaged one. Older versions wrote no sum. */
function parseRecord(bytes: Uint8Array): ClockReading & { readonly boot: string } {
  const fields = JSON.parse(utf8Text(bytes)) as Record<string, unknown>;
  const { boot, wall, uptime, sum, ...others } = fields;
  if (typeof boot !== 'string' || !isTime(wall) || !isTime(uptime) || Object.keys(others).length > 0)
    throw new Error('it is no record of a clock');
  if (sum !== undefined && sum !== sumOf(boot, wall, uptime)) throw new Error('its checksum is another');
  return { boot, wall, uptime };
}

/** What is wrong with the record in a log's directory, which a service makes anew; undefined where nothing is, or there is none. Rejects with a FileFault. */
export async function findClockFault(directory: string): Promise<string | undefined> {
  const bytes = await readLogFile(directory, CLOCK_FILE);
  if (bytes === undefined) return undefined;
  try {
    parseRecord(bytes);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

const isTime = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
