/**
 * Metrics of event loop lag, under prom-client's names. prom-client's own reset their histogram at each scrape, and read NaN
 * when a second scrape comes before their timer has fired twice: with two Prometheus servers, or while the loop is busy. They
 * also include the 10 ms of the timer in the lag.
 */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { Gauge, type Registry } from 'prom-client';

/** Period of the timer whose lateness is the lag, in milliseconds. */
const RESOLUTION = 10;

/** Shortest time that a scrape covers, in milliseconds. A scrape that comes sooner gets the same values as the last one. */
export const WINDOW = 10_000;

/** Lag over a period, in seconds. */
interface Lag {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly stddev: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

/** Summarizes lag over periods of at least {@link WINDOW}. Times in milliseconds. */
export class LagWindow {
  readonly #histogram: RecordableHistogram = createHistogram();
  #since: number;
  #last: Lag | undefined;

  constructor(now: number) {
    this.#since = now;
  }

  /** Records one lateness of the timer. */
  record(ms: number): void {
    // In microseconds; the histogram does not take 0.
    this.#histogram.record(Math.max(1, Math.round(ms * 1000)));
  }

  /** The lag since the last period ended, which ends this one; before it has lasted {@link WINDOW}, the lag of the last
   * period. */
  read(now: number): Lag {
    const isOver = now - this.#since >= WINDOW;
    if (!isOver && this.#last !== undefined) return this.#last;
    const lag = summary(this.#histogram);
    if (!isOver) return lag;
    this.#histogram.reset();
    this.#since = now;
    return (this.#last = lag);
  }
}

function summary(histogram: RecordableHistogram): Lag {
  if (histogram.count === 0) return { min: 0, max: 0, mean: 0, stddev: 0, p50: 0, p90: 0, p99: 0 };
  const seconds = (microseconds: number): number => microseconds / 1e6;
  const [p50, p90, p99] = [50, 90, 99].map((p) => seconds(histogram.percentile(p))) as [
    number,
    number,
    number,
  ];
  const { min, max, mean, stddev } = histogram;
  return {
    min: seconds(min),
    max: seconds(max),
    mean: seconds(mean),
    stddev: seconds(stddev),
    p50,
    p90,
    p99,
  };
}

let running: LagWindow | undefined;

/** The window of this process's event loop, shared by all services in it. */
function processLag(): LagWindow {
  if (running !== undefined) return running;
  let before = performance.now();
  const window = new LagWindow(before);
  setInterval(() => {
    const now = performance.now();
    window.record(Math.max(0, now - before - RESOLUTION));
    before = now;
  }, RESOLUTION).unref();
  return (running = window);
}

const NAME = 'nodejs_eventloop_lag';
const SPREAD: readonly (readonly [key: keyof Lag, help: string])[] = [
  ['min', 'Smallest lag of the event loop since the last scrape, at least ten seconds.'],
  ['max', 'Largest lag of the event loop.'],
  ['mean', 'Mean lag of the event loop.'],
  ['stddev', 'Standard deviation of the lag.'],
  ['p50', 'Median lag.'],
  ['p90', '90th percentile of the lag.'],
  ['p99', '99th percentile of the lag.'],
];

/** Replaces prom-client's own metrics in the registry. */
export function registerEventLoopLag(registry: Registry): void {
  const window = processLag();
  const registers = [registry];
  const gauge = (name: string, help: string, collect: (this: Gauge) => void | Promise<void>): void => {
    registry.removeSingleMetric(name);
    new Gauge({ name, help, registers, collect });
  };
  gauge(`${NAME}_seconds`, 'Lag of the event loop at this scrape.', async function () {
    const began = performance.now();
    await new Promise((resolve) => setImmediate(resolve));
    this.set((performance.now() - began) / 1000);
  });
  for (const [key, help] of SPREAD) {
    gauge(`${NAME}_${key}_seconds`, help, function () {
      this.set(window.read(performance.now())[key]);
    });
  }
}
