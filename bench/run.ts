/**
 * `npm run bench`: certificates per second on one core over real HTTP with the durable log, against the floor of raw
 * cryptography measured in the same run, and beside Fulcio where it can be built; then what rules, many issuers and
 * reloads cost.
 */
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { measureArtifactLogs, printArtifactLogs } from './artifact-logs.ts';
import { measureControl } from './control.ts';
import { createBodies, createIssuerKey, type TokenAlgorithm } from './corpus.ts';
import { medianCosts } from './floor.ts';
import { findFulcio } from './fulcio-program.ts';
import { startFulcio } from './fulcio.ts';
import { startBenchIssuer } from './issuer.ts';
import { measureListeners, printListeners } from './listeners.ts';
import { startLoadGenerator } from './load-generator.ts';
import { createInstance, startMayfly } from './mayfly.ts';
import { readOptions } from './options.ts';
import { prefill } from './prefill.ts';
import { canPin, endSoon } from './process.ts';
import { floorRates, printControl, printFloors, printRows, withShare } from './report.ts';
import { measureCommands, printCommands } from './whole-commands.ts';
import { measureTimestamps, printTimestamps } from './timestamps.ts';
import { measureVerification, printVerification } from './verification.ts';
import { measureReplicas, printReplicas } from './replicas.ts';
import { measureScale, printScale } from './scale.ts';
import { measureSearch, printSearch } from './search-index.ts';
import { workFolder } from './work-folder.ts';
import { measureWorkers, printWorkers } from './workers.ts';
import { measureFloor, rowsOf, type Bench, type Row } from './throughput.ts';

const options = readOptions(process.argv.slice(2));
const log = (text: string): void => void process.stderr.write(`${text}\n`);
const work = workFolder('requests');

const algorithms: readonly TokenAlgorithm[] = ['RS256', 'ES256'];
const keys = algorithms.map(createIssuerKey);
const issuer = await startBenchIssuer(keys);
log(`making ${options.distinct} distinct token-key-proof sets for each of ${algorithms.join(', ')} …`);
const bodies = new Map(
  keys.map((key) => {
    const file = join(work, `${key.algorithm}.jsonl`);
    writeFileSync(file, createBodies(key, issuer.url, options.distinct).join('\n'));
    return [key.algorithm, file];
  }),
);
const load = await startLoadGenerator(options.loadCore);
const bench: Bench = { options, load, bodies, log, floorSamples: { idle: [], busy: [] } };

const rows: Row[] = [];
const data = createInstance(issuer.url);
for (const size of options.certificates ? options.sizes : []) {
  if (size > 0) {
    log(`growing the log to ${size} entries …`);
    await prefill(data, size, (reached) => {
      log(`  ${reached} of ${size} entries`);
    });
  }
  const system = await startMayfly(data, options.serverCore);
  rows.push(...(await rowsOf(bench, 'mayfly, durable log', size, system)));
  await system.close();
}
const fulcio = options.fulcio && options.certificates ? findFulcio(log) : undefined;
if (fulcio !== undefined) {
  const system = await startFulcio(fulcio, issuer.url, options.serverCore);
  rows.push(...(await rowsOf(bench, 'fulcio v1.8.8, no log', null, system)));
  await system.close();
}
await measureFloor(bench);
const timestamps = options.timestamps ? await measureTimestamps(bench, issuer.url) : undefined;
const artifactLogs = options.artifactLogs ? await measureArtifactLogs(bench, issuer.url) : undefined;
const search = options.artifactLogs ? await measureSearch(options.searched, log) : undefined;
const commands = options.commands ? await measureCommands(bench, issuer.url, options.serverCore) : undefined;
const verification = options.verification
  ? await measureVerification(options.rounds * 5, Math.min(options.warmup, 2))
  : undefined;
const listeners = options.listeners ? await measureListeners(bench, issuer.url) : undefined;
const workers = options.workers ? await measureWorkers(bench, issuer.url) : undefined;
const replicas = options.replicas ? await measureReplicas(bench, issuer.url) : undefined;
const scale = options.scale ? await measureScale(bench, issuer.url) : undefined;
const control = options.control ? await measureControl(bench, issuer.url) : undefined;
await load.close();
issuer.close();

const costs = { idle: medianCosts(bench.floorSamples.idle), busy: medianCosts(bench.floorSamples.busy) };
const machine = {
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  pinned: canPin() ? `server on core ${options.serverCore}, load on core ${options.loadCore}` : 'not pinned',
  node: process.versions.node,
};
const results = rows.map((row) => withShare(row, costs));
const floors = { idle: floorRates(costs.idle), busy: floorRates(costs.busy) };
writeFileSync(
  options.out,
  `${JSON.stringify({ machine, costs, floors, options, rows: results, timestamps, artifactLogs, search, commands, verification, listeners, workers, replicas, scale, control }, null, 2)}\n`,
);
console.log(
  `${machine.cpu}, ${machine.cores} cores; ${machine.pinned}; Node ${machine.node}; floor by ${costs.idle.source}`,
);
printFloors(costs);
printRows(results);
if (timestamps !== undefined) printTimestamps(timestamps);
if (artifactLogs !== undefined) printArtifactLogs(artifactLogs);
if (search !== undefined) printSearch(search);
if (commands !== undefined) printCommands(commands);
if (verification !== undefined) printVerification(verification);
if (listeners !== undefined) printListeners(listeners);
if (workers !== undefined) printWorkers(workers);
if (replicas !== undefined) printReplicas(replicas);
if (scale !== undefined) printScale(scale);
if (control !== undefined) printControl(control);
endSoon(log);
