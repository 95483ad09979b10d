/** Replicas whose tiles are in a bucket, which fails. */
import { setTimeout as sleep } from 'node:timers/promises';
import { findClient } from '../test/judges/support/stock-clients.ts';
import { Versitygw } from '../test/judges/support/versitygw.ts';
import { startFakeBucket, type BucketFault, type FakeBucket } from '../test/support/fake-bucket.ts';
import { Done, endOf, sumOf, type Chapter } from './chapter.ts';
import type { Bucket } from './replicated.ts';
import { Trial } from './trial.ts';

/** Answers while a bucket fails: more than two full tiles. */
const MEANWHILE = 540;

/** Milliseconds by which a slow bucket is late. */
const SLOW_MS = 1_500;

/** A fault that begins, and ends with what it returns. */
interface Fault {
  readonly name: string;
  readonly begin: () => () => Promise<void> | void;
}

/** Of the store of the tests: each request fails so. */
const failing = (fake: FakeBucket, name: string, as: BucketFault): Fault => ({
  name,
  begin: () => {
    fake.fault = () => as;
    const slow = setInterval(() => {
      fake.answerHeld();
      fake.landLate();
    }, SLOW_MS);
    return () => {
      fake.fault = () => undefined;
      clearInterval(slow);
      fake.answerHeld();
      fake.landLate();
    };
  },
});

const faultsOfFake = (fake: FakeBucket): readonly Fault[] => [
  failing(fake, 'it answers 503', 'deny'),
  failing(fake, 'its answers are late', 'hang'),
  failing(fake, 'its answers are lost', 'lose'),
  failing(fake, 'it does what it is asked and answers 500', 'fail'),
  failing(fake, 'it does it later, and does not answer', 'late'),
  failing(fake, 'it answers 409', 'conflict'),
];

const faultsOfGateway = (gateway: Versitygw): readonly Fault[] => [
  {
    name: 'versitygw is paused (`SIGSTOP`)',
    begin: () => {
      gateway.signal('SIGSTOP');
      return () => {
        gateway.signal('SIGCONT');
      };
    },
  },
  {
    name: 'versitygw is killed',
    begin: () => {
      gateway.signal('SIGKILL');
      return () => gateway.up();
    },
  },
];

/** The bucket. */
export const BUCKET_FAULTS: Chapter = {
  name: 'Replicas: tiles in a bucket',
  what: 'Three services on one database under load, whose tiles are in a bucket that fails while more than a full tile of each log is due. Issuing has to go on. In the long form one of the services is killed meanwhile, and may need the bucket to start again. Then every tile has to come there. The bucket is a store of the tests, and versitygw where that is there (Go).',
  store: 'PostgreSQL',
  async run(world, build, { bucketFaults, awayMs }, _random) {
    const done = new Done();
    const fake = await startFakeBucket();
    const gateway = bucketFaults > 1 ? await startGateway(done) : undefined;
    const outage = async (
      bucket: Bucket,
      faults: readonly Fault[],
      count: number,
    ): ReturnType<Chapter['run']> => {
      const trial = await Trial.replicated(world, build, { bucket });
      const found = await trial.restart();
      for (let i = 0; i < count && found.length === 0; i++) {
        const fault = faults[i % faults.length];
        if (fault === undefined) break;
        let starting: Promise<boolean> | undefined;
        await trial.underLoad(async () => {
          const end = fault.begin();
          try {
            const stuck = await trial.progress(MEANWHILE);
            // To open a log again needs the bucket. On a busy machine each of them may have lost the database, too.
            const isDouble = trial.deployment.replicas.every((one) => one.said('log stopped').length > 0);
            if (isDouble) done.add('of them all services lost the database, too, for a moment');
            else found.push(...stuck);
            if (bucketFaults > 1) {
              const one = i % trial.deployment.replicas.length;
              await trial.deployment.stopOne(one, 'SIGKILL');
              starting = trial.deployment.startOne(one).then(
                () => true,
                () => false,
              );
              // With a slow bucket it takes for as long as that is slow.
              await Promise.race([starting, sleep(awayMs)]);
            }
          } finally {
            await end();
          }
          if (starting !== undefined)
            done.add(`of them a start ${(await starting) ? 'came to its end' : 'ended with an error'}`);
        });
        done.add(fault.name);
        found.push(...(await trial.goesOn()));
      }
      return endOf(trial, done, found);
    };
    try {
      const result = await outage(
        { endpoint: fake.endpoint, name: fake.bucket },
        faultsOfFake(fake),
        bucketFaults,
      );
      if (gateway === undefined || result.found.length > 0) return result;
      const at = { endpoint: gateway.endpoint, name: gateway.bucket };
      const other = await outage(at, faultsOfGateway(gateway), Math.ceil(bucketFaults / 3));
      return { ...other, counts: sumOf(result.counts, other.counts) };
    } finally {
      gateway?.remove();
      await fake.close();
    }
  },
};

async function startGateway(done: Done): Promise<Versitygw | undefined> {
  const client = await findClient('versitygw-1.8.0');
  if ('program' in client) return Versitygw.start(client.program);
  done.add(`without versitygw: ${client.lacking}`);
  return undefined;
}
