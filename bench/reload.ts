import { setTimeout as delay } from 'node:timers/promises';
import type { LoadGenerator } from './load-generator.ts';
import type { LoadMeasurement } from './load.ts';
import { manyIssuersYaml } from './many-issuers.ts';
import { configure, type MayflySystem } from './mayfly.ts';
import { median } from './process.ts';

/**
 * What a reload costs the requests of that moment, under a load well below saturation, where every answer waits anyway.
 * The machine has delays of its own, of the disk above all. So stretches with a reload and stretches without take turns, and
 * the slowest answer of the typical stretch is what counts.
 */
export interface ReloadCost {
  readonly issuers: number;
  readonly reloads: number;
  readonly failures: number;
  readonly calm: Latencies;
  readonly reloading: Latencies;
}

/** Milliseconds, of all stretches of a kind. */
export interface Latencies {
  /** Medians over the stretches. */
  readonly p50: number;
  readonly p99: number;
  readonly slowest: number;
  /** The slowest answer of each stretch, rising. */
  readonly slowestOfEach: readonly number[];
}

/** What {@link measureReload} needs. */
export interface ReloadPlan {
  readonly data: string;
  readonly issuer: string;
  readonly bodies: string;
  readonly issuers: number;
  /** Stretches of each kind. */
  readonly stretches: number;
  /** Of one stretch, and of the load before the first. */
  readonly seconds: number;
  readonly warmup: number;
}

const CONNECTIONS = 4;
const PAUSE = 10;

/** Reloads so far, from the metrics. */
async function reloads(system: MayflySystem): Promise<number> {
  const text = await (await fetch(`${system.metricsUrl}/metrics`)).text();
  const line = text.split('\n').find((row) => row.startsWith('mayfly_config_reload_total{outcome="success"'));
  return Number(line?.split(' ').at(-1) ?? 0);
}

/** Resolves when there were `count` of them; throws after half a minute. */
async function reloaded(system: MayflySystem, count: number): Promise<void> {
  for (let look = 0; look < 60; look++) {
    if ((await reloads(system)) >= count) return;
    await delay(500);
  }
  throw new Error('the service did not reload');
}

/** Measures a running system whose configuration is that of `manyEntriesYaml(issuer, entries)`. Throws when it does not
 * reload. */
export async function measureReload(
  load: LoadGenerator,
  system: MayflySystem,
  plan: ReloadPlan,
): Promise<ReloadCost> {
  const { host, port, child } = system;
  const { bodies, seconds } = plan;
  const order = { host, port, path: '/api/v2/signingCert', bodies, seconds };
  const gentle = { ...order, connections: CONNECTIONS, pause: PAUSE };
  await load.measure({ ...order, connections: 64, seconds: plan.warmup });
  const calm: LoadMeasurement[] = [];
  const reloading: LoadMeasurement[] = [];
  const before = await reloads(system);
  for (let turn = 1; turn <= plan.stretches; turn++) {
    calm.push(await load.measure(gentle));
    // Another text each time: a file that did not change is no reload.
    configure(plan.data, manyIssuersYaml(plan.issuer, plan.issuers, `claims.run_attempt != "turn-${turn}"`));
    child.kill('SIGHUP');
    reloading.push(await load.measure(gentle));
    await reloaded(system, before + turn);
  }
  return {
    issuers: plan.issuers,
    reloads: plan.stretches,
    failures: [...calm, ...reloading].reduce((sum, { failures }) => sum + failures, 0),
    calm: latenciesOf(calm),
    reloading: latenciesOf(reloading),
  };
}

function latenciesOf(stretches: readonly LoadMeasurement[]): Latencies {
  const all = (name: 'p50' | 'p99' | 'slowest'): number[] =>
    stretches.map((stretch) => Number(stretch[name].toFixed(2)));
  return {
    p50: median(all('p50')),
    p99: median(all('p99')),
    slowest: median(all('slowest')),
    slowestOfEach: all('slowest').sort((a, b) => a - b),
  };
}
