/**
 * Two systems compared on a machine whose speed drifts: both run all the time, the load goes to one and then to the
 * other, and only neighbours in time are compared. The median of those ratios stands still where either figure alone
 * would wander by a third.
 */
import type { LoadGenerator } from './load-generator.ts';
import type { System } from './mayfly.ts';
import { cpuSeconds, median } from './process.ts';

/** How the second of two systems compares with the first. */
export interface Comparison {
  /** Microseconds of CPU for a certificate. */
  readonly first: number;
  readonly second: number;
  /** Median over the pairs of second ÷ first. */
  readonly ratio: number;
  /** The middle half of the ratios lies between these. */
  readonly quartiles: readonly [number, number];
  readonly pairs: number;
}

/** What {@link compare} is to do. */
export interface ComparisonPlan {
  readonly bodies: string;
  readonly pairs: number;
  /** Of one measurement, and of the load before the first. */
  readonly seconds: number;
  readonly warmup: number;
}

/** Compares the CPU that two systems spend on a certificate at 64 connections. */
export async function compare(
  load: LoadGenerator,
  systems: readonly [System, System],
  plan: ComparisonPlan,
): Promise<Comparison> {
  const cost = async ({ host, port, pid }: System, seconds: number): Promise<number> => {
    const before = cpuSeconds(pid);
    const order = { host, port, path: '/api/v2/signingCert', bodies: plan.bodies, connections: 64, seconds };
    const { certificates } = await load.measure(order);
    return (1e6 * (cpuSeconds(pid) - before)) / certificates;
  };
  const [a, b] = systems;
  for (const system of systems) await cost(system, plan.warmup);
  const firsts: number[] = [];
  const seconds: number[] = [];
  for (let pair = 0; pair < plan.pairs; pair++) {
    // Whoever comes first in a pair has no advantage over the whole.
    if (pair % 2 === 0) firsts.push(await cost(a, plan.seconds));
    seconds.push(await cost(b, plan.seconds));
    if (pair % 2 === 1) firsts.push(await cost(a, plan.seconds));
  }
  const ratios = seconds.map((second, i) => second / (firsts[i] ?? Number.NaN)).sort((x, y) => x - y);
  const at = (share: number): number => ratios[Math.floor((ratios.length - 1) * share)] ?? Number.NaN;
  return {
    first: median(firsts),
    second: median(seconds),
    ratio: median(ratios),
    quartiles: [at(0.25), at(0.75)],
    pairs: plan.pairs,
  };
}
