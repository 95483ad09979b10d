/** Compares the clock with time servers now and then. */
import type { Clock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import { askTimeServer, type TimeAnswer, type TimeServer } from './sntp.ts';

/** Which servers are asked, how often, and what may be different. Times in milliseconds. */
interface TimeServersOptions {
  readonly servers: readonly TimeServer[];
  readonly intervalMs: number;
  readonly maxOffsetMs: number;
  readonly clock: Clock;
  /** Called when nobody has answered, with the reason of the first; at most once in a row. */
  readonly onSilence: (sentence: string) => void;
  /** Asks one server; default: {@link askTimeServer}. */
  readonly ask?: ((server: TimeServer, clock: Clock, timeoutMs: number) => Promise<TimeAnswer>) | undefined;
}

const TIMEOUT_MS = 5_000;

/** Asks the servers at once and then every `intervalMs`. Servers that do not answer change nothing: the last comparison counts. */
export class TimeServers {
  readonly #options: TimeServersOptions;
  readonly #timer: NodeJS.Timeout;
  #offset: number | undefined;
  #isSilent = false;

  constructor(options: TimeServersOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.compare(), options.intervalMs).unref();
  }

  /** Milliseconds by which the clock is behind the servers; undefined before any has answered. */
  get offset(): number | undefined {
    return this.#offset;
  }

  /** A sentence when the clock is further from the servers than it may be. */
  get fault(): string | undefined {
    const { maxOffsetMs } = this.#options;
    if (this.#offset === undefined || Math.abs(this.#offset) <= maxOffsetMs) return undefined;
    const by = (Math.abs(this.#offset) / 1000).toFixed(1);
    return `the clock is ${by} s ${this.#offset > 0 ? 'behind' : 'ahead of'} the time servers`;
  }

  /** Compares now. Never rejects. */
  async compare(): Promise<void> {
    const { servers, clock, ask = askTimeServer, onSilence } = this.#options;
    const answers = await Promise.allSettled(servers.map((server) => ask(server, clock, TIMEOUT_MS)));
    const offsets = answers
      .flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
      // What was long on its way says little.
      .filter(({ delay }) => delay / 2 <= this.#options.maxOffsetMs)
      .map(({ offset }) => offset);
    const wasSilent = this.#isSilent;
    this.#isSilent = offsets.length === 0;
    if (!this.#isSilent) this.#offset = median(offsets);
    else if (!wasSilent) {
      const failed = answers.find((answer) => answer.status === 'rejected');
      onSilence(failed === undefined ? 'their answers took too long' : messageOf(failed.reason));
    }
  }

  /** Asks no more. */
  close(): void {
    clearInterval(this.#timer);
  }
}

/** Of two it is the one that is nearer to the clock: one server alone cannot stop timestamps that another one confirms. */
function median(offsets: readonly number[]): number {
  const sorted = [...offsets].sort((a, b) => a - b);
  const [low = 0, high = 0] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return Math.abs(low) < Math.abs(high) ? low : high;
}
