/**
 * `npm run abuse`: attacks a real service as untrusted clients without a token can, while honest clients sign and read, and
 * judges by the limits in `verdict.ts` what they saw. At the end, every certificate that was acknowledged has to be in the
 * log.
 */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { BROKEN } from '../scripts/checks/checks.ts';
import { logFault, loggedSerials } from './acknowledged.ts';
import type { AttackOrder } from './attacker.ts';
import { ATTACKS, type Attack } from './attacks.ts';
import { HonestClients, type Phase } from './honest-clients.ts';
import { readOptions } from './options.ts';
import { ProxiedSigners } from './proxied-signers.ts';
import { faultLines, printMeasured, type Attempt } from './report.ts';
import type { ProxyOrder, ProxyReady } from './shared-proxy.ts';
import { Environment, Target, type ProcessorTime } from './target.ts';
import { faultsOf, type AttackMeasurement } from './verdict.ts';

const options = readOptions(
  process.argv.slice(2),
  ATTACKS.map(({ name }) => name),
);
if (options.list) {
  for (const { name, what } of ATTACKS) console.log(`${name.padEnd(24)}${what}`);
  process.exit(0);
}

/** Milliseconds between an attack and the quiet period after it. */
const SETTLE = 300;

/** Milliseconds that attackers of memory get to send all of it: they have the lowest priority. */
const ARRIVAL = 60_000;

const environment = await Environment.make();
process.once('exit', () => {
  void target.stop('SIGKILL');
});
let target = await Target.start(environment, options.workers);
const honest = new HonestClients(environment.issuer, environment.entryKey);
/** Every attempt, also the first of an attack that failed it and passed the second. */
const seen: Attempt[] = [];
/** Resident bytes of the service before the first attack on it, and whether there was one. */
let rest = 0;
let isFresh = true;
let failed = 0;

/** Runs one attack; `before` is the quiet period before it. */
async function attack(chosen: Attack, before: Phase): Promise<AttackMeasurement> {
  if (chosen.throughProxy !== true) return attackVia(chosen, before, undefined);
  const proxy = startProcess('shared-proxy.js', { grpcUrl: target.address.grpcUrl } satisfies ProxyOrder);
  const { proxyUrl } = JSON.parse(await proxy.firstLine) as ProxyReady;
  const signers = new ProxiedSigners(proxyUrl);
  try {
    // Through the proxy an answer takes longer, also when nobody attacks.
    const quiet = await honest.work(target.address, options.quietSeconds, signers);
    return await attackVia(chosen, quiet, { proxyUrl, signers });
  } finally {
    signers.close();
    await proxy.stop();
  }
}

async function attackVia(
  { name, endsService = false, fillsMemory = false }: Attack,
  before: Phase,
  via: { readonly proxyUrl: string; readonly signers: ProxiedSigners } | undefined,
): Promise<AttackMeasurement> {
  const usedToken = await honest.useToken(target.address);
  const memory = { isFresh, rest, before: target.memory, peak: 0, after: 0 };
  isFresh = false;
  const watch = setInterval(() => (memory.peak = Math.max(memory.peak, target.memory)), 50);
  const [processor, logBytes, began] = [target.processor, target.logBytes, performance.now()];
  const attacked = { ...target.address, usedToken, proxyUrl: via?.proxyUrl };
  const attacker = startProcess('attacker.js', { attack: name, target: attacked } satisfies AttackOrder);
  const during = await honest.work(target.address, options.seconds, via?.signers);
  const [now, seconds] = [target.processor, (performance.now() - began) / 1000];
  const logBytesPerSecond = (target.logBytes - logBytes) / seconds;
  const hasArrived = !fillsMemory || (await arrivalOf(attacker.firstLine, via));
  const ran = target.isRunning;
  const endMs = endsService ? await endOf(target) : undefined;
  await attacker.stop();
  clearInterval(watch);
  if (endsService) target = await Target.start(environment, options.workers);
  await sleep(SETTLE);
  const settled = target.processor;
  const after = await honest.work(target.address, options.quietSeconds, via?.signers);
  memory.after = target.memory;
  const shares = { processorShare: shareOf(processor, now), shareAfter: shareOf(settled, target.processor) };
  const isRunning = ran && target.isRunning;
  const phases = { before, during, after, memory, logBytesPerSecond };
  return { attack: name, ...phases, hasArrived, isRunning, endMs, ...shares };
}

/** Waits until attackers of memory have sent all of it, and the service has read it: honest requests come after it in line. Resolves to whether it came to that. */
async function arrivalOf(
  sent: Promise<string>,
  via: { readonly signers: ProxiedSigners } | undefined,
): Promise<boolean> {
  const hasArrived = await Promise.race([sent.then(() => true), sleep(ARRIVAL, false, { ref: false })]);
  await honest.work(target.address, 2, via?.signers);
  return hasArrived;
}

/** The part of the time between two looks in which the service ran, of that in which it was ready to. */
function shareOf(from: ProcessorTime, to: ProcessorTime): number {
  const [worked, waited] = [to.worked - from.worked, to.waited - from.waited];
  return worked > 0 ? worked / (worked + waited) : 1;
}

/** Ends the service as a supervisor does; resolves to the milliseconds that it took. */
async function endOf(service: Target): Promise<number> {
  const began = performance.now();
  await service.stop();
  return performance.now() - began;
}

/** Attackers and the proxy have processes of their own, so that they do not delay the honest clients' clock. Each gets its order as a line, and ends when there is no more to read. */
function startProcess(
  file: string,
  order: object,
): { readonly firstLine: Promise<string>; stop(): Promise<void> } {
  const child = spawn(process.execPath, [join(import.meta.dirname, file)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const gone = new Promise<void>((resolve) =>
    child.once('exit', () => {
      resolve();
    }),
  );
  const firstLine = new Promise<string>((resolve) => createInterface(child.stdout).once('line', resolve));
  child.stdin.on('error', () => undefined).write(`${JSON.stringify(order)}\n`);
  return {
    firstLine,
    stop: async () => {
      child.stdin.end();
      await gone;
    },
  };
}

/** Runs an attack, and once more if it failed: the machine may have stalled. Resolves to the quiet period after it. */
async function judge(chosen: Attack, before: Phase): Promise<Phase> {
  const needsFresh = chosen.fillsMemory === true && !isFresh;
  for (let quiet = needsFresh ? await startAnew() : before, attempt = 1; ; attempt++) {
    const measured = await attack(chosen, quiet);
    const faults = faultsOf(measured, options.maxGrowth);
    seen.push({ attempt, measured, faults });
    printMeasured(measured, faults);
    quiet = faults.length === 0 ? measured.after : await startAnew();
    if (faults.length > 0 && attempt === 1) continue;
    if (faults.length > 0) failed++;
    else if (attempt > 1) console.log(`  WARNING: ${chosen.name} failed once and then held`);
    return quiet;
  }
}

/** A new service for the next attack, and its quiet period. */
async function startAnew(): Promise<Phase> {
  await target.stop('SIGKILL');
  target = await Target.start(environment, options.workers);
  await honest.work(target.address, 1);
  const quiet = await honest.work(target.address, options.quietSeconds);
  [rest, isFresh] = [target.memory, true];
  return quiet;
}

/** Of other systems than Linux, the loopback network has no address for the proxy. */
const chosen = ATTACKS.filter(
  ({ name, throughProxy }) =>
    (options.only.length === 0 || options.only.includes(name)) &&
    (throughProxy !== true || process.platform === 'linux'),
);
// Also for the engine, which compiles the hot path meanwhile.
await honest.growLog(target.address, 600);
// The bundle that is asked for is full.
await honest.growEntries(target.address, 300);
let quiet = await honest.work(target.address, options.quietSeconds);
rest = target.memory;
for (const one of chosen) quiet = await judge(one, quiet);

await target.stop();
target = await Target.start(environment, options.workers);
const logged = await loggedSerials(target.address.logUrl);
await target.stop();
const lost = [...honest.acknowledged].filter((serial) => !logged.has(serial));
const fault = logFault(environment.data);
if (fault !== undefined) console.log(`FAILED: mayfly log check: ${fault}`);
honest.close();
await environment.remove();

if (options.json !== undefined)
  writeFileSync(options.json, `${JSON.stringify({ lost, attacks: seen }, null, 2)}\n`);
console.log(
  `${honest.acknowledged.size} certificates were acknowledged, ${lost.length} of them are not in the log`,
);
const again = seen.filter(({ attempt }) => attempt > 1).length;
// Once more by name: a log of this length is read from its end.
for (const line of faultLines(seen)) console.log(line);
console.log(
  `${chosen.length - failed} attacks passed (${again - failed} at the second attempt), ${failed} failed`,
);
const status = failed > 0 ? 1 : 0;
process.exit(lost.length > 0 || fault !== undefined ? BROKEN : status);
