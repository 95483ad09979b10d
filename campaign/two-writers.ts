/** Two services on one directory, whose lock was lost. */
import { join } from 'node:path';
import { rmSync } from 'node:fs';
import { messageOf } from '../core/errors.ts';
import { Done, endOf, type Chapter } from './chapter.ts';
import { Replica } from './deployment.ts';
import { Trial } from './trial.ts';

/** The compare-and-swap of the head is all that is left between them. */
export const TWO_WRITERS: Chapter = {
  name: 'Two writers',
  what: 'The lock files are deleted under a service, and a second one is started on the same directory: both are asked for certificates and log artifacts. The one that finds that the other one has written must refuse; what either acknowledged has to be in the one log that the next start finds.',
  store: 'SQLite',
  async run(world, build) {
    const trial = Trial.make(world, build);
    const done = new Done();
    const found = await trial.restart();
    await trial.burst(100);
    for (const directory of Object.values(trial.deployment.logs))
      rmSync(join(directory, 'lock.db'), { force: true });
    let second: Replica | undefined;
    try {
      second = await Replica.start(build, trial.deployment.data, join(trial.folder, 'second.log'));
      done.add('second writer started');
      // Each of them writes after the other.
      for (let round = 0; round < 3; round++) {
        const both = [trial.deployment.replicas, [second]];
        for (const replicas of both) await trial.clients.burst(replicas, 60);
        await Promise.all(both.map((replicas) => trial.clients.burst(replicas, 60)));
      }
    } catch (error) {
      // It may be kept out by another lock.
      done.add(`second writer did not start: ${messageOf(error).slice(0, 200)}`);
    } finally {
      second?.signal('SIGKILL');
      await second?.ended();
    }
    await trial.deployment.stop('SIGKILL');
    if (found.length === 0) found.push(...(await trial.restart()));
    if (found.length === 0) found.push(...(await trial.untilServes()), ...(await trial.verify()));
    return endOf(trial, done, found);
  },
};
