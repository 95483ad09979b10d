/** Replicas of which one does not reach the database as it should. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Passages } from '../test/support/tcp-proxy.ts';
import { Done, endOf, type Chapter } from './chapter.ts';
import { Trial } from './trial.ts';

/** Answers after which it happens at the latest, and those that others have to give meanwhile. */
const MOST = 40;
const MEANWHILE = 40;

/** What a network does to requests to the database and to its answers. */
const WAYS: readonly (readonly [string, Partial<Passages>])[] = [
  ['answers are lost and the connection ends', { answers: 'cut' }],
  ['requests and answers are lost in silence', { requests: 'silence', answers: 'silence' }],
  ['requests are lost and the connection ends', { requests: 'cut' }],
  ['answers are lost in silence', { answers: 'silence' }],
  ['requests are lost in silence', { requests: 'silence' }],
  ['requests and answers are late', { requests: 'late', answers: 'late' }],
  ['requests and answers are lost and the connection ends', { requests: 'cut', answers: 'cut' }],
  ['an answer comes twice', { answers: 'twice' }],
  ['a request comes twice', { requests: 'twice' }],
  ['an answer comes again before the next one', { answers: 'again' }],
  ['a request comes again before the next one', { requests: 'again' }],
  ['answers are late', { answers: 'late' }],
];

/** The network between a replica and the database; `words`: of the ways only those that have them in their name. */
export const networks = (words = ''): Chapter => ({
  name: 'Replicas: the network to the database',
  what: 'Three services on one database under load, each behind a network of its own. That of one of them, and every fifth time that of all, is cut, is silent, or late, in one direction or in both, and is well again a while later. Bytes also arrive twice, at once or before those that follow, which TCP does not do. The others have to go on meanwhile, and nothing may be acknowledged of which it is not known that it is stored.',
  store: 'PostgreSQL',
  async run(world, build, { networkFaults, awayMs }, random) {
    const trial = await Trial.replicated(world, build);
    const { deployment } = trial;
    const done = new Done();
    const found = await trial.restart();
    const ways = WAYS.filter(([name]) => name.includes(words));
    for (let i = 0; i < networkFaults && found.length === 0; i++) {
      const [name, passages] = ways[i % ways.length] ?? ['', {}];
      const one = Math.floor(random() * deployment.replicas.length);
      const isAll = i % 5 === 4;
      const failing = deployment.networks.filter((_, at) => isAll || at === one);
      const before = trial.counts.refused;
      await trial.underLoad(async () => {
        found.push(...(await trial.progress(Math.floor(random() * MOST))));
        const over = new AbortController();
        // Clients that insist on it.
        const insistent = trial.clients.until(deployment.replicas.slice(one, one + 1), over.signal);
        for (const network of failing) network.set(passages);
        const others = deployment.replicas.filter((_, at) => at !== one);
        if (!isAll) found.push(...(await trial.progress(MEANWHILE, others)));
        await sleep(awayMs);
        for (const network of failing) network.set({});
        over.abort();
        await insistent;
      });
      done.add(isAll ? `of all: ${name}` : name);
      done.add('of them some were refused meanwhile', trial.counts.refused > before ? 1 : 0);
      const also = await trial.goesOn();
      found.push(...also.map((fault) => `${name}: ${fault}`));
    }
    return endOf(trial, done, found);
  },
});
