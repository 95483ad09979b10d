/**
 * `npm run campaign`: every fault against a real service, every promise against a ledger, and every saboteur caught. Writes
 * docs/campaign.md.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../core/errors.ts';
import { VERSION } from '../core/version.ts';
import { BROKEN } from '../scripts/checks/checks.ts';
import { killLibrary } from '../test/support/kill-at.ts';
import { startIssuer } from '../test/support/oidc-issuer.ts';
import { anyInstallation } from '../test/support/postgres-server.ts';
import { projectRoot } from '../test/support/project-root.ts';
import { BUCKET_FAULTS } from './bucket-faults.ts';
import { isBroken, NO_COUNTS, NOT_TRIED, type Chapter, type ChapterResult } from './chapter.ts';
import { DATABASE_FAULTS } from './database-faults.ts';
import { makeTemplate, type Build } from './deployment.ts';
import { FAILING_STARTS, failingSteps } from './failing-steps.ts';
import { KILLS } from './kills.ts';
import { failovers } from './failovers.ts';
import { networks } from './networks.ts';
import { readOptions } from './options.ts';
import { outages } from './outages.ts';
import { campaignPage, type CaughtSaboteur, type ChapterReport } from './page.ts';
import { POWER_CUTS } from './power-cuts.ts';
import { REPLICA_FAULTS } from './replica-faults.ts';
import { makeReplicatedTemplate } from './replicated.ts';
import { makeSaboteur, SABOTEURS } from './saboteurs.ts';
import { TWO_WRITERS } from './two-writers.ts';

const CHAPTERS: readonly Chapter[] = [
  POWER_CUTS,
  failingSteps(),
  FAILING_STARTS,
  KILLS,
  outages(),
  TWO_WRITERS,
  REPLICA_FAULTS,
  DATABASE_FAULTS,
  failovers(),
  networks(),
  BUCKET_FAULTS,
];

/** What is under way at the same time: clients wait for services, and services for disks. */
const WIDTH = 3;

const options = readOptions(process.argv.slice(2));
const began = performance.now();
const work = mkdtempSync(join(tmpdir(), 'mayfly-campaign-'));
process.once('exit', () => {
  rmSync(work, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
const library = killLibrary(work);
if (library === undefined) {
  console.log('SKIPPED: faults are made by a library that gcc compiles, on Linux');
  process.exit(0);
}
const dist = join(import.meta.dirname, '..');
const product: Build = { name: 'the product', program: join(dist, 'cli/main.js') };
const issuer = await startIssuer();
const template = makeTemplate(product, work, issuer.url, library);
const { scale, seed, only, isShort } = options;
const installation = await anyInstallation();
const replicated = installation && (await makeReplicatedTemplate(product, work, template, installation));
const world = { issuer, template, replicated, library, work };
console.log(`seed ${seed}, on ${tmpdir()}`);

/** The same numbers for the same seed and name, whatever runs beside it (mulberry32). */
function randomOf(name: string): () => number {
  let state = Buffer.from(name).reduce((sum, byte) => (Math.imul(sum, 31) + byte) | 0, seed);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const isChosen = ({ name }: { readonly name: string }, { store }: Chapter): boolean => {
  if (only.length > 0 && !only.some((words) => name.toLowerCase().includes(words.toLowerCase())))
    return false;
  if (store === 'SQLite' || replicated !== undefined) return true;
  console.log(`SKIPPED: there is no PostgreSQL: ${name}`);
  return false;
};

/** Runs one, and says what came of it. */
async function run(
  chapter: Chapter,
  build: Build,
  title: string,
): Promise<ChapterResult & { readonly seconds: number; readonly isTried?: boolean }> {
  const started = performance.now();
  const result = await chapter.run(world, build, scale, randomOf(title)).catch((error: unknown) => {
    // That something is wrong with the trial says nothing about a build that has to be caught.
    const fault = `${NOT_TRIED}: ${messageOf(error)}`;
    console.log(`${title}: ${fault}`);
    const found = build === product ? [fault] : [];
    return { done: new Map<string, number>(), counts: NO_COUNTS, found, isTried: false };
  });
  return { ...result, seconds: (performance.now() - started) / 1000 };
}

const reports: ChapterReport[] = [];
const caught: CaughtSaboteur[] = [];
/** Names of saboteurs whose trial came to its end without a finding. */
const unseen: string[] = [];
const tasks: (() => Promise<void>)[] = [
  ...CHAPTERS.filter((chapter) => isChosen(chapter, chapter)).map((chapter) => async () => {
    const result = await run(chapter, product, chapter.name);
    const { name, what, store } = chapter;
    reports.push({ name, what, store, ...result });
    const isKept = result.found.length === 0;
    console.log(`${isKept ? 'holds' : 'FAILED'}: ${chapter.name} (${result.seconds.toFixed(0)} s)`);
    for (const [thing, count] of result.done) console.log(`  ${count} ${thing}`);
    for (const fault of result.found.slice(0, 10)) console.log(`  FAILED: ${fault}`);
  }),
  ...SABOTEURS.filter((one) => (one.isShort || !isShort) && isChosen(one, one.by)).map(
    (saboteur, i) => async () => {
      const folder = join(work, `saboteur-${i}`);
      mkdirSync(folder);
      const {
        found,
        seconds,
        isTried = true,
      } = await run(saboteur.by, makeSaboteur(saboteur, dist, folder), saboteur.name);
      caught.push({ name: saboteur.name, by: saboteur.by.name, finding: found[0] });
      if (found.length === 0 && isTried) unseen.push(saboteur.name);
      const [first = 'NOT CAUGHT'] = found;
      console.log(
        `${found.length === 0 ? 'FAILED' : 'caught'}: a build that ${saboteur.name} (${seconds.toFixed(0)} s)`,
      );
      console.log(`  ${first}`);
    },
  ),
];
const lines = Array.from({ length: WIDTH }, async () => {
  for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) await task();
});
await Promise.all(lines);
await issuer.close();
await replicated?.server.remove();

// In the order of the lists, whichever was ready first.
const orderOf =
  (names: readonly string[]) => (one: { readonly name: string }, other: { readonly name: string }) =>
    names.indexOf(one.name) - names.indexOf(other.name);
reports.sort(orderOf(CHAPTERS.map(({ name }) => name)));
caught.sort(orderOf(SABOTEURS.map(({ name }) => name)));
const minutes = (performance.now() - began) / 60_000;
const broken = reports.filter(({ found }) => found.length > 0);
const missed = caught.filter(({ finding }) => finding === undefined);
if (!isShort && only.length === 0) {
  const fileSystem =
    execFileSync('df', ['--output=fstype', work], { encoding: 'utf8' }).trim().split('\n').at(-1) ?? '';
  const where = {
    version: VERSION,
    node: process.versions.node,
    kernel: release(),
    cores: cpus().length,
    fileSystem,
    postgres: replicated?.version,
  };
  writeFileSync(
    join(projectRoot, 'docs/campaign.md'),
    campaignPage({ reports, caught, seed, minutes, scale, where }),
  );
}
console.log(
  `${reports.length - broken.length} chapters hold, ${broken.length} do not; ${caught.length - missed.length} saboteurs caught, ${missed.length} not; ${minutes.toFixed(1)} min`,
);
const isLost = unseen.length > 0 || broken.some(({ found }) => isBroken(found));
const status = broken.length + missed.length > 0 ? 1 : 0;
process.exit(isLost ? BROKEN : status);
