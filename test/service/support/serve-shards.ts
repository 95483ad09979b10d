/** A service on a data directory whose log is to be followed, as a process of its own: ends when the former log has an end for verifiers. Its clock is some hours ahead. Words: the directory, the hours. */
import { setTimeout as delay } from 'node:timers/promises';
import { dataPaths } from '../../../instance/data-paths.ts';
import { readRecorded } from '../../../trust/ledger.ts';
import { openQuietly } from '../../support/quiet-service.ts';

const [, , data = '', hours = '0'] = process.argv;
const clock = (): number => Date.now() + Number(hours) * 3_600_000;

/** Starts it, waits, and ends it. */
export async function followOnce(): Promise<void> {
  const service = await openQuietly(data, { clock });
  const hasEnd = async (): Promise<boolean> =>
    (await readRecorded(dataPaths(data).trustedRoot)).certificateLogs.some(
      ({ window }) => window.end !== undefined,
    );
  while (!(await hasEnd())) await delay(20);
  await service.close();
}

await followOnce();
