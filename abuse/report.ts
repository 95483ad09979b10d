/** Prints one attack. */
import type { ServedClients, Phase } from './honest-clients.ts';
import { isTooBusy, megabytes, type AttackMeasurement } from './verdict.ts';

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
