/** Every durable step of a service, at its start and under load, fails in every way, or is the last before a kill. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Failure, FaultOrder } from '../test/support/kill-at.ts';
import { Done, endOf, NO_COUNTS, sumOf, type Chapter, type Scale } from './chapter.ts';
import { Trial } from './trial.ts';

/** How a step fails. */
interface Way {
  readonly name: string;
  readonly as: Failure | 'kill';
  readonly isLate?: boolean;
}

const WAYS: readonly Way[] = [
  { name: 'killed after it', as: 'kill' },
  { name: 'EIO, not done', as: 'EIO' },
  { name: 'EIO, done and reported as failed', as: 'EIO', isLate: true },
  { name: 'ENOSPC, not done', as: 'ENOSPC' },
  { name: 'ENOSPC, done and reported as failed', as: 'ENOSPC', isLate: true },
  { name: 'EMFILE, not done', as: 'EMFILE' },
];

/** Only opening takes a descriptor. */
const isPossible = ({ as }: Way, { call }: Step): boolean => as !== 'EMFILE' || call === 'open';

/** A durable step, as the library of faults knows it. */
type Step = NonNullable<FaultOrder['of']>;

/** The step of a line of the trace: its path up to what differs each time. `-shm` is memory that the threads of SQLite share, and nothing durable. */
function stepOf(line: string): Step | undefined {
  const [call = '', path = ''] = line.split(' ');
  if (path.endsWith('-shm')) return undefined;
  const differs = /[0-9a-f]{12}\.tmp$|[0-9a-f]{64}|(?<=tile\/\w+\/)[x\d]|\d{10}/.exec(path);
  return { call, path: differs === null ? `${path}$` : path.slice(0, differs.index) };
}

/** Each of them once, in the order of the trace. */
function stepsOf(lines: readonly string[]): Step[] {
  const steps = new Map<string, Step>();
  for (const line of lines) {
    const step = stepOf(line);
    if (step !== undefined) steps.set(`${step.call} ${step.path}`, step);
  }
  return [...steps.values()];
}

/** Steps and ways, each with each that is possible, in any order; of them as many as the scale says. */
function casesOf(steps: readonly Step[], { stepStride }: Scale, random: () => number): [Step, Way][] {
  const all = steps.flatMap((step) =>
    WAYS.filter((way) => isPossible(way, step)).map((way): [Step, Way] => [step, way]),
  );
  const drawn = all.map((one): [number, [Step, Way]] => [random(), one]).sort(([a], [b]) => a - b);
  return drawn.slice(0, Math.ceil(all.length / stepStride)).map(([, one]) => one);
}

/** Milliseconds for which a step is waited for: one that comes with requests, and one of a log that is new. */
const COMES = 10_000;
const COMES_ONCE = 30_000;

/** Sends requests until a step was due that is to fail, or that long; whether it was. */
async function untilHit(trial: Trial, { as }: Way, wait: number): Promise<boolean> {
  const end = new AbortController();
  const load = trial.clients.until(trial.deployment.replicas, end.signal);
  const deadline = performance.now() + wait;
  while (trial.hits().length === 0 && performance.now() < deadline) await sleep(10);
  const isHit = trial.hits().length > 0;
  if (isHit && as === 'kill') await trial.deployment.stop('SIGKILL');
  // What it leads to.
  else if (isHit) await sleep(50);
  end.abort();
  await load;
  return isHit;
}

/** One step that fails in one way. */
export interface OneCase {
  readonly of: Step;
  readonly way: Way;
}

/** Steps while it serves; with `only`, that case alone. */
export const failingSteps = (only?: OneCase): Chapter => ({
  name: 'Failing steps under load',
  what: 'A change that the service makes below its data directory while it logs (a write, a sync, a name, a cut; SQLite’s, too) fails once while clients send requests, or is the last before a kill. The service has to go on by itself. It is then killed and started again.',
  store: 'SQLite',
  async run(world, build, scale, random) {
    let trial = Trial.make(world, build);
    let before = NO_COUNTS;
    const done = new Done();
    const found = await trial.restart();
    const steps = only === undefined ? await stepsUnderLoad(trial) : [only.of];
    done.add('different steps', steps.length);
    const cases = only === undefined ? casesOf(steps, scale, random) : ([[only.of, only.way]] as const);
    for (const [of, { name, ...way }] of cases) {
      if (found.length > 0) break;
      const where = `${of.call} ${of.path} (${name})`;
      trial.order({ of, first: 1 + Math.floor(random() * 2), count: 1, ...way });
      let isHit = await untilHit(trial, { name, ...way }, COMES);
      if (!isHit) {
        // It belongs to the first tiles of a log.
        before = sumOf(before, trial.counts);
        await trial.close();
        trial = Trial.make(world, build);
        found.push(...(await trial.restart()));
        trial.order({ of, first: 1, count: 1, ...way });
        isHit = await untilHit(trial, { name, ...way }, COMES_ONCE);
      }
      done.add(isHit ? name : 'did not come');
      trial.order();
      // Of one case alone what a restart finds is asked for at once.
      if (!isHit || (way.as !== 'kill' && only === undefined))
        found.push(...named(where, await trial.untilServes(), await trial.verify()));
      await trial.deployment.stop('SIGKILL');
      found.push(...named(where, await trial.restart()));
      if (found.length === 0) found.push(...named(where, await trial.untilServes(), await trial.verify()));
    }
    return endOf(trial, done, found, before);
  },
});

/** What is done beyond a full tile of each log. */
async function stepsUnderLoad(trial: Trial): Promise<Step[]> {
  trial.order({ first: 1, as: 'trace' });
  await trial.burst(640);
  // Files that follow the logs.
  await sleep(2_500);
  const steps = stepsOf(trial.hits());
  trial.order();
  return steps;
}

const named = (where: string, ...found: readonly (readonly string[])[]): string[] =>
  found.flat().map((fault) => `${where}: ${fault}`);

/** Steps of a start. */
export const FAILING_STARTS: Chapter = {
  name: 'Failing steps of a start',
  what: 'The service was killed under load. A change that its next start makes below the data directory fails once, or is the last before a kill: the start may end with an error, and the next one has to serve.',
  store: 'SQLite',
  async run(world, build, scale, random) {
    const trial = Trial.make(world, build);
    const done = new Done();
    const found = await trial.restart();
    const killUnderLoad = async (): Promise<void> => {
      const end = new AbortController();
      const load = trial.clients.until(trial.deployment.replicas, end.signal);
      await sleep(100 + random() * 200);
      await trial.deployment.stop('SIGKILL');
      end.abort();
      await load;
    };
    await killUnderLoad();
    trial.order({ first: 1, as: 'trace' });
    found.push(...(await trial.restart()));
    const steps = stepsOf(trial.hits());
    trial.order();
    done.add('different steps', steps.length);
    for (const [of, { name, ...way }] of casesOf(steps, scale, random)) {
      if (found.length > 0) break;
      await killUnderLoad();
      trial.order({ of, first: 1, count: 1, ...way });
      const failed = await trial.restart();
      const hit = trial.hits().length > 0;
      done.add(hit ? name : 'did not come');
      trial.order();
      done.add(failed.length > 0 ? 'of them the start ended' : 'of them the start went on');
      const where = `start: ${of.call} ${of.path} (${name})`;
      if (failed.length > 0) found.push(...named(where, await trial.restart()));
      if (found.length === 0) found.push(...named(where, await trial.untilServes(), await trial.verify()));
    }
    return endOf(trial, done, found);
  },
};
