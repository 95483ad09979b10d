/** Ends and pauses at random moments. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Done, endOf, type Chapter } from './chapter.ts';
import { Trial } from './trial.ts';

/** Answers after which a process is ended at the latest, and milliseconds. */
const MOST = 150;
const LONGEST = 10_000;

/** Resolves when so many more answers came, or after a while. */
async function untilAcknowledged(trial: Trial, more: number): Promise<void> {
  const goal = trial.counts.acknowledged + more;
  const deadline = performance.now() + LONGEST;
  while (trial.counts.acknowledged < goal && performance.now() < deadline) await sleep(1);
}

/** `kill -9` under load. */
export const KILLS: Chapter = {
  name: 'Kills under load',
  what: 'A process of the service is ended by `kill -9` after a random number of answers, up to 150, while 24 clients ask for certificates and log artifacts, and started again. Every fourth time it is paused for a second first (`SIGSTOP`, `SIGCONT`).',
  store: 'SQLite',
  async run(world, build, { kills }, random) {
    const trial = Trial.make(world, build);
    const done = new Done();
    const found = await trial.restart();
    for (let i = 0; i < kills && found.length === 0; i++) {
      const replica = trial.deployment.replicas[Math.floor(random() * trial.deployment.replicas.length)];
      const end = new AbortController();
      const load = trial.clients.until(trial.deployment.replicas, end.signal);
      await untilAcknowledged(trial, Math.floor(random() * MOST));
      if (i % 4 === 3) {
        replica?.signal('SIGSTOP');
        await sleep(1_000);
        replica?.signal('SIGCONT');
        done.add('paused and woken');
        await sleep(random() * 200);
      }
      await trial.deployment.stop('SIGKILL');
      done.add('killed');
      end.abort();
      await load;
      const down = await trial.restart();
      found.push(...(down.length > 0 ? down : [...(await trial.untilServes()), ...(await trial.verify())]));
    }
    return endOf(trial, done, found);
  },
};
