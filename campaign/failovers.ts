/** Replicas whose database is lost, with a standby that takes its place. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { PostgresServer } from '../test/support/postgres-server.ts';
import { Done, endOf, NO_COUNTS, sumOf, type Chapter } from './chapter.ts';
import { logUrls } from './clients.ts';
import type { Build } from './deployment.ts';
import type { ReplicatedDeployment, ReplicatedOptions } from './replicated.ts';
import { Trial, type World } from './trial.ts';

/** Answers after which the primary is lost at the latest. */
const MOST = 80;

/** Requests to a replica that the standby does not hear of, and to those that must not go on without them. */
const UNHEARD = 60;
const REFUSED = 48;

/** Milliseconds within which it has to be noticed. */
const NOTICED = 45_000;

type ReplicatedTrial = Trial<ReplicatedDeployment>;

/** How the primary is lost; what is wrong. */
interface Way {
  readonly name: string;
  readonly standby: ReplicatedOptions['standby'];
  readonly lose: (trial: ReplicatedTrial, standby: PostgresServer, random: () => number) => Promise<string[]>;
}

/** Commits waited for the standby: the services go on by themselves. Then the former primary answers to one of them, which must not. */
async function synchronous(
  trial: ReplicatedTrial,
  standby: PostgresServer,
  random: () => number,
): Promise<string[]> {
  const { deployment } = trial;
  const found: string[] = [];
  await trial.underLoad(async () => {
    found.push(...(await trial.progress(Math.floor(random() * MOST))));
    await deployment.primary.kill();
    await standby.promote();
    deployment.lead(standby);
    found.push(...(await trial.progress(MOST)));
  });
  found.push(...(await trial.goesOn()));
  if (found.length > 0) return found;
  // It has no standby any more that commits would wait for.
  await deployment.primary.up({});
  deployment.networks[0]?.retarget(deployment.primary.port);
  const [misled, ...others] = deployment.replicas;
  if (misled === undefined) return ['there is no replica'];
  await trial.clients.burst(others, MOST);
  found.push(...(await refusesAll(trial, [misled])), ...(await trial.verify(others)));
  await deployment.stopOne(0, 'SIGTERM');
  deployment.lead(standby);
  return found.length > 0 ? found : trial.goesOn();
}

/** Commits did not wait, and the standby lacks some that were acknowledged: nobody may go on, until the services are led back to the former primary. */
async function behind(
  trial: ReplicatedTrial,
  standby: PostgresServer,
  random: () => number,
): Promise<string[]> {
  const { deployment } = trial;
  await trial.burst(Math.floor(random() * MOST));
  const found = await trial.verify();
  const [one, ...others] = deployment.replicas;
  if (one === undefined || found.length > 0) return found;
  await untilSame(deployment.primary, standby);
  deployment.replication?.set({ requests: 'silence', answers: 'silence' });
  // They do not hear of it either.
  for (const other of others) other.signal('SIGSTOP');
  await trial.clients.burst([one], UNHEARD);
  await deployment.primary.kill();
  await standby.promote();
  deployment.lead(standby);
  for (const other of others) other.signal('SIGCONT');
  found.push(...(await refusesAll(trial)));
  if (found.length > 0) return found;
  await deployment.stop();
  // The machine that made them knows of them.
  const accepted = await acceptDatabase(trial, 0);
  if (accepted === undefined) return ['a standby that lacks commits was accepted'];
  if (!accepted.includes('LOG_ROLLED_BACK')) return [`log accept-database: ${accepted}`];
  await deployment.primary.up();
  deployment.lead(deployment.primary);
  return acceptAndGoOn(trial);
}

/** Commits did not wait, and the standby has them all: nobody may go on before an operator has said so. */
async function complete(
  trial: ReplicatedTrial,
  standby: PostgresServer,
  random: () => number,
): Promise<string[]> {
  const { deployment } = trial;
  await trial.burst(Math.floor(random() * MOST));
  const found = await trial.verify();
  if (found.length > 0) return found;
  await untilSame(deployment.primary, standby);
  await deployment.primary.kill();
  await standby.promote();
  deployment.lead(standby);
  found.push(...(await refusesAll(trial)));
  if (found.length > 0) return found;
  await deployment.stop();
  return acceptAndGoOn(trial);
}

/** Waits until each replica says that it has stopped; whatever is asked of it until then and later is refused. What is wrong. */
async function refusesAll(trial: ReplicatedTrial, replicas = trial.deployment.replicas): Promise<string[]> {
  const deadline = performance.now() + NOTICED;
  for (const replica of replicas)
    for (let isLast = false; !isLast;) {
      // Both of its logs.
      isLast = replica.stopped.length >= 2;
      const { granted } = await trial.clients.burst([replica], REFUSED);
      if (granted > 0)
        return [
          ...(await trial.ledger.verifyServed(logUrls(replica))),
          `${granted} requests were granted on a server that may lack commits`,
        ];
      if (performance.now() > deadline)
        return [`it is not noticed that another server answers: ${trial.lastWord()}`];
    }
  return [];
}

/** As docs/scaling.md says it: every machine is asked, and then the services are started. */
async function acceptAndGoOn(trial: ReplicatedTrial): Promise<string[]> {
  for (const i of trial.deployment.directories.keys()) {
    const failure = await acceptDatabase(trial, i);
    if (failure !== undefined) return [`log accept-database: ${failure}`];
  }
  return trial.goesOn();
}

const acceptDatabase = (trial: ReplicatedTrial, i: number): Promise<string | undefined> =>
  trial.patiently(['log', 'accept-database', '--data', trial.deployment.directories[i] ?? '', '--json']);

/** Waits until both have the same. */
async function untilSame(...servers: readonly PostgresServer[]): Promise<void> {
  for (;;) {
    const heads = await Promise.all(
      servers.map(
        async (server) => (await server.query('SELECT * FROM mayfly.log_head ORDER BY log_id')).rows,
      ),
    );
    if (new Set(heads.map((rows) => JSON.stringify(rows))).size === 1) return;
    await sleep(50);
  }
}

const WAYS: readonly Way[] = [
  {
    name: 'that commits waited for: nothing is lost, and they went on by themselves',
    standby: 'synchronous',
    lose: synchronous,
  },
  {
    name: 'that commits did not wait for and that lacked some: they stopped, and went on with the former primary',
    standby: 'asynchronous',
    lose: behind,
  },
  {
    name: 'that commits did not wait for and that had them all: they stopped, and went on when it was accepted',
    standby: 'asynchronous',
    lose: complete,
  },
];

/** The primary; `words`: of the ways only those that have them in their name. */
export const failovers = (words = ''): Chapter => ({
  name: 'Replicas: a standby is promoted',
  what: 'Three services on one database, which is killed; its standby is promoted and answers at its address. Where commits waited for it, nothing is lost, and the services go on by themselves; one that is led back to the former primary signs nothing there. Where they did not wait, all services refuse every request with 503, whether commits are missing or not, until `mayfly log accept-database` was given on each of their machines, as [scaling.md](scaling.md#when-the-database-was-replaced) says; it refuses a standby that lacks commits.',
  store: 'PostgreSQL',
  async run(world, build, { failovers: count }, random) {
    const done = new Done();
    const ways = WAYS.filter(({ name }) => name.includes(words));
    let before = NO_COUNTS;
    for (let i = 0; ; i++) {
      const way = ways[i % ways.length];
      if (way === undefined) throw new TypeError(`no standby ${words}`);
      const result = await once(world, build, way, random, done);
      before = sumOf(before, result.counts);
      if (i + 1 >= count || result.found.length > 0) return { ...result, counts: before };
    }
  },
});

async function once(
  world: World,
  build: Build,
  { name, standby, lose }: Way,
  random: () => number,
  done: Done,
): ReturnType<Chapter['run']> {
  const trial = await Trial.replicated(world, build, { standby });
  const found = await trial.restart();
  if (found.length === 0 && trial.deployment.standby !== undefined)
    found.push(...(await lose(trial, trial.deployment.standby, random)));
  done.add(`a standby ${name}`);
  return endOf(trial, done, found);
}
