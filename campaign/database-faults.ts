/** Replicas whose one database is killed. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Done, endOf, type Chapter } from './chapter.ts';
import { Trial } from './trial.ts';

/** Answers after which it happens at the latest. */
const MOST = 60;

/** What is not synced stays so for as long as the server allows: a build that does not wait for it is noticed. */
const LATE_WRITES = { wal_writer_delay: '10s', wal_writer_flush_after: '1GB' };

/** The database. */
export const DATABASE_FAULTS: Chapter = {
  name: 'Replicas: the database is killed',
  what: 'Three services on one database under load. All of the database is ended by `kill -9` of its first process, or by an immediate shutdown (`SIGQUIT`), and started again a while later; every third time all services are killed at the same moment. Meanwhile every request is refused with 503; what was acknowledged is there afterwards.',
  store: 'PostgreSQL',
  async run(world, build, { databaseFaults, awayMs }, random) {
    const trial = await Trial.replicated(world, build, { settings: LATE_WRITES });
    const { deployment } = trial;
    const done = new Done();
    const found = await trial.restart();
    for (let i = 0; i < databaseFaults && found.length === 0; i++) {
      const signal = i % 2 === 0 ? 'SIGKILL' : 'SIGQUIT';
      const isAll = i % 3 === 2;
      const before = trial.counts.refused;
      await trial.underLoad(async () => {
        found.push(...(await trial.progress(Math.floor(random() * MOST))));
        await Promise.all([deployment.primary.kill(signal), ...(isAll ? [deployment.stop('SIGKILL')] : [])]);
        done.add(signal === 'SIGKILL' ? 'killed (`kill -9`)' : 'ended by an immediate shutdown');
        if (isAll) done.add('of them all services were killed, too');
        await sleep(awayMs);
        await deployment.primary.up();
      });
      done.add('of them some were refused meanwhile', trial.counts.refused > before ? 1 : 0);
      found.push(...(await trial.goesOn()));
    }
    return endOf(trial, done, found);
  },
};
