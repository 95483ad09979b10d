/** Prints one attack. */
import type { ServedClients, Phase } from './honest-clients.ts';
import { isTooBusy, megabytes, type AttackMeasurement } from './verdict.ts';

/** One attack, once. */
export interface Attempt {
  /** 1 or 2. */
  readonly attempt: number;
  readonly measured: AttackMeasurement;
  readonly faults: readonly string[];
}

/** A line for each fault, those of attacks that failed twice last. */
export function faultLines(attempts: readonly Attempt[]): string[] {
  const lost = new Set(
    attempts.flatMap(({ attempt, measured, faults }) =>
      attempt > 1 && faults.length > 0 ? [measured.attack] : [],
    ),
  );
  const failed = attempts.filter(({ faults }) => faults.length > 0);
  const isLost = ({ measured }: Attempt): boolean => lost.has(measured.attack);
  return [...failed.filter((one) => !isLost(one)), ...failed.filter(isLost)].flatMap((one) => {
    const outcome = isLost(one) ? 'FAILED' : 'WARNING: held at the second attempt';
    return one.faults.map(
      (fault) => `${outcome}: ${one.measured.attack}, attempt ${one.attempt}: ${fault.trimEnd()}`,
    );
  });
}

/** Prints what was measured, and what is wrong with it. */
export function printMeasured(measured: AttackMeasurement, faults: readonly string[]): void {
  const { attack, before, during, after, memory, logBytesPerSecond, processorShare } = measured;
  console.log(`${attack}: ${faults.length === 0 ? 'holds' : 'FAILED'}`);
  console.log(`  before  ${stretch(before)}, ${megabytes(memory.before)} MB`);
  console.log(
    `  during  ${stretch(during)}, ${megabytes(memory.peak)} MB at most; ` +
      `service log ${(logBytesPerSecond / 1000).toFixed(1)} kB/s`,
  );
  console.log(`  after   ${stretch(after)}, ${megabytes(memory.after)} MB`);
  if (measured.endMs !== undefined) console.log(`  end     ${measured.endMs.toFixed(0)} ms`);
  if (!measured.hasArrived) console.log('  not all of the attack was sent: its memory proves nothing');
  if (processorShare < 0.9) console.log(`  ${busy(measured)}`);
  for (const fault of faults) console.log(`  FAILED: ${fault.trimEnd()}`);
}

const busy = (measured: AttackMeasurement): string =>
  `the service got a processor for ${(100 * measured.processorShare).toFixed(0)} % of the time that it needed one` +
  (isTooBusy(measured) ? ': latencies are not judged' : '');

const stretch = ({ signing, reading, logging }: Phase): string =>
  `signing ${served(signing)}; reading ${served(reading)}; logging ${served(logging)}`;

const served = ({ served, refused, p99 }: ServedClients): string =>
  `${served} served, ${refused} refused, p99 ${Number.isFinite(p99) ? p99.toFixed(0) : '–'} ms`;
