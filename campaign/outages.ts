/** Faults that last, under load: what the service is refused by its machine, and what comes back when it is not any more. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Failure } from '../test/support/kill-at.ts';
import { Done, endOf, type Chapter } from './chapter.ts';
import { Trial } from './trial.ts';

/** A fault that begins, and ends. `wrongBy`: by how many milliseconds the clock is wrong meanwhile. */
interface Outage {
  readonly name: string;
  readonly wrongBy?: number;
  readonly begin: (trial: Trial) => void;
  readonly end: (trial: Trial) => void;
}

const failing = (name: string, as: Failure): Outage => ({
  name,
  begin: (trial) => {
    trial.order({ first: 1, as });
  },
  end: (trial) => {
    trial.order();
  },
});

const wrongClock = (name: string, wrongBy: number): Outage => ({
  name,
  wrongBy,
  begin: (trial) => {
    trial.setClock(wrongBy);
  },
  end: (trial) => {
    trial.setClock(0);
  },
});

/** The limit of the running processes is set to what they have open, so that none of them gets another one: files and connections, too. */
const noDescriptors: Outage = {
  name: 'no descriptor is left (`prlimit`)',
  begin: (trial) => {
    for (const { pid } of trial.deployment.replicas)
      limitDescriptors(pid, readdirSync(`/proc/${pid}/fd`).length);
  },
  end: (trial) => {
    for (const { pid } of trial.deployment.replicas) limitDescriptors(pid, hardLimit(pid));
  },
};

function limitDescriptors(pid: number, soft: number): void {
  execFileSync('prlimit', ['--pid', String(pid), `--nofile=${soft}:${hardLimit(pid)}`]);
}

function hardLimit(pid: number): number {
  const [, hard = '1024'] =
    /^Max open files +\S+ +(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8')) ?? [];
  return Number(hard);
}

const HOUR = 3_600_000;

const OUTAGES: readonly Outage[] = [
  failing('the disk is full (ENOSPC)', 'ENOSPC'),
  failing('the disk fails (EIO)', 'EIO'),
  failing('the file system is read-only (EROFS)', 'EROFS'),
  noDescriptors,
  wrongClock('the clock is an hour ahead', HOUR),
  wrongClock('the clock is an hour behind', -HOUR),
  wrongClock('the clock is 5 s behind', -5_000),
];

/** All of them, or those whose names have these words in them. */
export const outages = (words = ''): Chapter => ({
  name: 'Outages under load',
  what: 'A fault lasts for a while and ends, while clients go on asking: every change of a file fails, no descriptor is left, or the clock is wrong. Refusals have to be 503 with Retry-After, and the service has to take requests again by itself; then it is killed and started again.',
  store: 'SQLite',
  async run(world, build, { outageMs }) {
    const trial = Trial.make(world, build);
    const done = new Done();
    const found = await trial.restart();
    if (found.length === 0) await trial.burst(60);
    for (const { name, begin, end, wrongBy = 0 } of OUTAGES.filter((one) => one.name.includes(words))) {
      if (found.length > 0) break;
      const before = trial.counts.refused;
      begin(trial);
      const over = new AbortController();
      const load = trial.clients.until(trial.deployment.replicas, over.signal, wrongBy);
      await sleep(outageMs);
      over.abort();
      await load;
      end(trial);
      done.add(name);
      done.add('of them some were refused meanwhile', trial.counts.refused > before ? 1 : 0);
      const also = [...(await trial.untilServes()), ...(await trial.verify())];
      found.push(...also.map((fault) => `${name}: ${fault}`));
    }
    await trial.deployment.stop('SIGKILL');
    if (found.length === 0) found.push(...(await trial.restart()));
    if (found.length === 0) found.push(...(await trial.untilServes()), ...(await trial.verify()));
    return endOf(trial, done, found);
  },
});
