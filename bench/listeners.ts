/** What a service that listens for gRPC, grants timestamps and serves logs of artifacts spends on a certificate over HTTP, beside one that does nothing of it. */
import { startLoadGenerator } from './load-generator.ts';
import { createInstance, startMayfly, withoutArtifactLogs, withoutTimestamps } from './mayfly.ts';
import { compared } from './report.ts';
import { compare, type Comparison } from './side-by-side.ts';
import type { Bench } from './throughput.ts';

/** Compares the two, with RS256 tokens. */
export async function measureListeners(bench: Bench, issuer: string): Promise<Comparison> {
  const { options, load, log } = bench;
  const core = options.serverCore;
  const [plain, all] = [createInstance(issuer), createInstance(issuer)];
  withoutTimestamps(plain);
  withoutArtifactLogs(plain);
  log('comparing HTTP alone with all listeners …');
  const second = await startLoadGenerator(options.loadCore);
  const starts = [
    () => startMayfly(plain, core, ['--listen', '--metrics-listen']),
    () => startMayfly(all, core),
  ] as const;
  const bodies = bench.bodies.get('RS256') ?? '';
  const plan = { bodies, starts: options.starts, seconds: options.seconds * 3, warmup: options.warmup / 2 };
  const comparison = await compare([load, second], starts, plan);
  await second.close();
  return comparison;
}

/** Prints it. */
export function printListeners(comparison: Comparison): void {
  console.log(compared('HTTP alone, and gRPC, timestamps and logs of artifacts beside it', comparison));
}
