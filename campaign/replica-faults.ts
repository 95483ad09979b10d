/** Replicas on one database, of which one is killed or stops for a while. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Done, endOf, type Chapter } from './chapter.ts';
import { Trial } from './trial.ts';

/** Answers after which it happens at the latest, and those that others have to give meanwhile. */
const MOST = 60;
const MEANWHILE = 40;

/** One replica. */
export const REPLICA_FAULTS: Chapter = {
  name: 'Replicas: one is killed or paused',
  what: 'Three services on one database under load. One of them is ended by `kill -9` and started again, or it is paused (`SIGSTOP`) for longer than any lock, wait or deadline of the database and of the log lasts, and woken. The others have to go on meanwhile.',
  store: 'PostgreSQL',
  async run(world, build, { replicaFaults, pauseMs }, random) {
    const trial = await Trial.replicated(world, build);
    const { deployment } = trial;
    const done = new Done();
    const found = await trial.restart();
    for (let i = 0; i < replicaFaults && found.length === 0; i++) {
      const one = Math.floor(random() * deployment.replicas.length);
      await trial.underLoad(async () => {
        found.push(...(await trial.progress(Math.floor(random() * MOST))));
        if (i % 2 === 0) {
          await deployment.stopOne(one, 'SIGKILL');
          found.push(...(await trial.progress(MEANWHILE)), ...(await trial.restart()));
          done.add('killed and started again');
        } else {
          deployment.replicas[one]?.signal('SIGSTOP');
          found.push(...(await trial.progress(MEANWHILE)));
          await sleep(pauseMs);
          deployment.replicas[one]?.signal('SIGCONT');
          done.add(`paused for ${pauseMs / 1000} s and woken`);
        }
        found.push(...(await trial.progress(MEANWHILE)));
      });
      found.push(...(await trial.goesOn()));
    }
    return endOf(trial, done, found);
  },
};
