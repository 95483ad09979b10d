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
  /** Milliseconds of a clock that nobody sets; default: the process's. */
  readonly steady?: (() => number) | undefined;
}

const TIMEOUT_MS = 5_000;

/** Milliseconds between two comparisons while the clock is at fault: set right, timestamps should go on soon. */
const FAULTY_INTERVAL_MS = 15_000;

/** Intervals after which a comparison says nothing any more. */
const VALID_INTERVALS = 3;

/** What the servers said when they answered last. */
interface Comparison extends TimeAnswer {
  /** On the steady clock. */
  readonly at: number;
}

/**
 * Asks the servers every `intervalMs`, more often while the clock is at fault, from the first {@link compare} on. A fault needs two comparisons
 * in a row, for one answer may have been held up. Where nobody answers, the last comparison counts for three intervals.
 */
export class TimeServers {
  readonly #options: TimeServersOptions;
  #timer: NodeJS.Timeout | undefined;
  #last: Comparison | undefined;
  #isSilent = false;
  #isClosed = false;

  constructor(options: TimeServersOptions) {
    this.#options = options;
  }

  /** Milliseconds by which the clock is behind the servers; undefined before any has answered, and long after. */
  get offset(): number | undefined {
    return this.#valid?.offset;
  }

  /** A sentence when the clock is further from the servers than it may be. */
  get fault(): string | undefined {
    const last = this.#valid;
    if (last === undefined || !this.#isFault(last)) return undefined;
    const by = (Math.abs(last.offset) / 1000).toFixed(1);
    return `the clock is ${by} s ${last.offset > 0 ? 'behind' : 'ahead of'} the time servers`;
  }

  /** Compares now. Never rejects. */
  async compare(): Promise<void> {
    const wasFault = this.fault !== undefined;
    const first = await this.#ask();
    const isSuspect = first !== undefined && this.#isFault(first);
    const found = isSuspect && !wasFault ? await this.#ask() : first;
    if (found !== undefined) this.#last = { ...found, at: this.#now() };
    this.#schedule(this.fault !== undefined || (isSuspect && found === undefined));
  }

  /** Asks no more. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  /** The time on the way may be all on one side: half of it is how exactly the offset is known. */
  #isFault({ offset, delay }: TimeAnswer): boolean {
    return Math.abs(offset) - delay / 2 > this.#options.maxOffsetMs;
  }

  get #valid(): Comparison | undefined {
    const last = this.#last;
    const age = this.#now() - (last?.at ?? 0);
    return age <= VALID_INTERVALS * this.#options.intervalMs ? last : undefined;
  }

  #now(): number {
    return (this.#options.steady ?? steadyTime)();
  }

  #schedule(isSoon: boolean): void {
    clearTimeout(this.#timer);
    if (this.#isClosed) return;
    const { intervalMs } = this.#options;
    const wait = isSoon ? Math.min(intervalMs, FAULTY_INTERVAL_MS) : intervalMs;
    this.#timer = setTimeout(() => void this.compare(), wait).unref();
  }

  /** What the servers say together; undefined when nobody answers. */
  async #ask(): Promise<TimeAnswer | undefined> {
    const { servers, clock, ask = askTimeServer, maxOffsetMs, onSilence } = this.#options;
    const answers = await Promise.allSettled(servers.map((server) => ask(server, clock, TIMEOUT_MS)));
    const good = answers
      .flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
      // What was long on its way says little.
      .filter(({ delay }) => delay / 2 <= maxOffsetMs);
    const wasSilent = this.#isSilent;
    this.#isSilent = good.length === 0;
    if (!this.#isSilent) return median(good);
    const failed = answers.find((answer) => answer.status === 'rejected');
    if (!wasSilent)
      onSilence(failed === undefined ? 'their answers took too long' : messageOf(failed.reason));
    return undefined;
  }
}

const steadyTime = (): number => performance.now();

/** Of two it is the one that is nearer to the clock: one server alone cannot stop timestamps that another one confirms. */
function median(answers: readonly TimeAnswer[]): TimeAnswer | undefined {
  const sorted = [...answers].sort((a, b) => a.offset - b.offset);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return Math.abs(low?.offset ?? 0) < Math.abs(high?.offset ?? 0) ? low : high;
}
