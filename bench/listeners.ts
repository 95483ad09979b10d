/** What a service spends on a certificate over HTTP for what it does besides: other listeners, timestamps and logs of artifacts, and the index that certificates are found by. */
import { startLoadGenerator } from './load-generator.ts';
import {
  createInstance,
  startMayfly,
  withoutArtifactLogs,
  withoutSearchIndex,
  withoutTimestamps,
  type System,
} from './mayfly.ts';
import { compared } from './report.ts';
import { compare, type Comparison } from './side-by-side.ts';
import type { Bench } from './throughput.ts';

/** What was measured of each. */
export interface ListenerCost {
  /** HTTP alone, against everything that a new data directory has. */
  readonly all: Comparison;
  /** No index of certificates, against one that follows while they are issued. */
  readonly index: Comparison;
}

/** Compares them, with RS256 tokens. */
export async function measureListeners(bench: Bench, issuer: string): Promise<ListenerCost> {
  const { options, load, log } = bench;
  const core = options.serverCore;
  const [plain, all] = [createInstance(issuer), createInstance(issuer)];
  withoutTimestamps(plain);
  withoutArtifactLogs(plain);
  const [unindexed, indexed] = [createInstance(issuer), createInstance(issuer)];
  withoutSearchIndex(unindexed);
  const second = await startLoadGenerator(options.loadCore);
  const bodies = bench.bodies.get('RS256') ?? '';
  const plan = { bodies, starts: options.starts, seconds: options.seconds * 3, warmup: options.warmup / 2 };
  log('comparing HTTP alone with all listeners …');
  const alone = (): Promise<System> => startMayfly(plain, core, ['--listen', '--metrics-listen']);
  const ofAll = await compare([load, second], [alone, () => startMayfly(all, core)], plan);
  log('comparing no index of certificates with one …');
  const ofIndex = await compare(
    [load, second],
    [() => startMayfly(unindexed, core), () => startMayfly(indexed, core)],
    plan,
  );
  await second.close();
  return { all: ofAll, index: ofIndex };
}

/** Prints it. */
export function printListeners({ all, index }: ListenerCost): void {
  console.log(compared('HTTP alone, and gRPC, timestamps and logs of artifacts beside it', all));
  console.log(compared('no index of certificates, and one that follows', index));
}
