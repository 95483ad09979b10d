/**
 * What a reload costs those who are asking at that moment: the slowest answer with a reload every second, against the
 * slowest without, under a load that leaves the service room to breathe (at saturation every answer waits anyway).
 */
import type { LoadGenerator } from './load-generator.ts';
import { manyEntriesYaml } from './many-entries.ts';
import { configure, type MayflySystem } from './mayfly.ts';

/** Latencies in milliseconds. */
export interface ReloadCost {
  readonly entries: number;
  readonly reloads: number;
  readonly failures: number;
  readonly calm: Latencies;
  readonly reloading: Latencies;
}

/** Of one stretch of time. */
export interface Latencies {
  readonly p50: number;
  readonly p99: number;
  readonly slowest: number;
}

/** What {@link measureReload} needs. */
export interface ReloadPlan {
  readonly data: string;
  readonly issuer: string;
  readonly bodies: string;
  readonly entries: number;
  readonly seconds: number;
  readonly warmup: number;
}

const CONNECTIONS = 4;
const PAUSE = 10;
const BETWEEN_RELOADS = 1000;

/** Counts of reloads by outcome, from the metrics. */
async function reloads(system: MayflySystem, outcome: string): Promise<number> {
  const text = await (await fetch(`${system.metricsUrl}/metrics`)).text();
  const line = text
    .split('\n')
    .find((row) => row.startsWith(`mayfly_config_reload_total{outcome="${outcome}"`));
  return Number(line?.split(' ').at(-1) ?? 0);
}

/** Measures a running system whose configuration is that of `manyEntriesYaml(issuer, entries)`. Throws when it did not
 * reload. */
export async function measureReload(
  load: LoadGenerator,
  system: MayflySystem,
  plan: ReloadPlan,
): Promise<ReloadCost> {
  const { host, port, child } = system;
  const order = {
    ...{ host, port, path: '/api/v2/signingCert', bodies: plan.bodies },
    ...{ connections: CONNECTIONS, pause: PAUSE, seconds: plan.seconds },
  };
  await load.measure({ ...order, connections: 64, pause: undefined, seconds: plan.warmup });
  const calm = await load.measure(order);
  const before = await reloads(system, 'success');
  let turn = 0;
  const timer = setInterval(() => {
    turn++;
    // Another text each time: a file that did not change is no reload.
    configure(plan.data, manyEntriesYaml(plan.issuer, plan.entries, `claims.run_attempt != "turn-${turn}"`));
    child.kill('SIGHUP');
  }, BETWEEN_RELOADS);
  const reloading = await load.measure(order);
  clearInterval(timer);
  const done = (await reloads(system, 'success')) - before;
  if (done === 0) throw new Error('the service did not reload');
  return {
    entries: plan.entries,
    reloads: done,
    failures: calm.failures + reloading.failures,
    calm: latenciesOf(calm),
    reloading: latenciesOf(reloading),
  };
}

const latenciesOf = ({ p50, p99, slowest }: Latencies): Latencies => ({
  p50: Number(p50.toFixed(2)),
  p99: Number(p99.toFixed(2)),
  slowest: Number(slowest.toFixed(2)),
});
