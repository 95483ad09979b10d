/** What replicas of a service on one database bring and cost: certificates per second, CPU of the services and of the database, and commits. They share all
 * cores of this machine with the load. */
import { execFileSync } from 'node:child_process';
import { cpSync, readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { anyInstallation, PostgresServer } from '../test/support/postgres-server.ts';
import { startLoadGenerator, type LoadGenerator } from './load-generator.ts';
import { createInstance, keepIn, program, startMayfly, type System } from './mayfly.ts';
import { cpuSeconds, median } from './process.ts';
import { BUSY, type Bench } from './throughput.ts';
import { workFolder } from './work-folder.ts';

/** So many replicas. Latencies in milliseconds, CPU in microseconds a certificate. */
interface ReplicasRow {
  /** 0: one service with SQLite in its directory. */
  readonly replicas: number;
  readonly certificatesPerSecond: number;
  readonly serviceCpu: number;
  readonly databaseCpu: number;
  readonly commitsPerSecond: number;
  readonly certificatesPerCommit: number;
  /** The median of the replicas, and the worst of them. */
  readonly p50: number;
  readonly p99: number;
}

const COUNTS = [1, 2, 3] as const;

/** Measures it with RS256 tokens and {@link BUSY} connections in all; undefined where there is no PostgreSQL. `issuer` is the URL of the benchmark's issuer. */
export async function measureReplicas(
  bench: Bench,
  issuer: string,
): Promise<readonly ReplicasRow[] | undefined> {
  const { log } = bench;
  const installation = await anyInstallation();
  if (installation === undefined) {
    log('there is no PostgreSQL: replicas are not measured');
    return undefined;
  }
  const cores = cpus().map((_, core) => core);
  const server = await PostgresServer.startWith(installation);
  const loads = [bench.load, await startLoadGenerator(bench.options.loadCore)];
  loads.push(await startLoadGenerator(bench.options.loadCore));
  try {
    const data = createInstance(issuer);
    const rows = [await rowOf(bench, 0, [await startMayfly(data, cores)], { loads, server })];
    log('moving the logs into PostgreSQL …');
    keepIn(data, `{ store: '${server.url()}', store-password-file: ${server.passwordFile} }`);
    execFileSync(process.execPath, [program, 'log', 'migrate', '--config', join(data, 'config.yaml')]);
    execFileSync(process.execPath, [program, 'log', 'move', '--data', data]);
    const places = COUNTS.map(() => join(workFolder('replica'), 'data'));
    for (const place of places) cpSync(data, place, { recursive: true });
    for (const count of COUNTS) {
      const systems: System[] = [];
      for (const place of places.slice(0, count)) systems.push(await startMayfly(place, cores));
      rows.push(await rowOf(bench, count, systems, { loads, server }));
    }
    return rows;
  } finally {
    for (const load of loads.slice(1)) await load.close();
    await server.remove();
  }
}

interface Around {
  readonly loads: readonly LoadGenerator[];
  readonly server: PostgresServer;
}

async function rowOf(
  { options, bodies, log }: Bench,
  replicas: number,
  systems: readonly System[],
  { loads, server }: Around,
): Promise<ReplicasRow> {
  log(replicas === 0 ? 'one service with SQLite …' : `${replicas} replicas …`);
  const load = (seconds: number): Promise<readonly Measured[]> =>
    Promise.all(
      systems.map(async ({ host, port, pid }, at) => {
        const before = cpuSeconds(pid);
        const measured = await loads[at]?.measure({
          host,
          port,
          seconds,
          path: '/api/v2/signingCert',
          bodies: bodies.get('RS256') ?? '',
          connections: Math.floor(BUSY / systems.length),
        });
        if (measured === undefined) throw new Error('there is no load generator for a replica');
        const { certificates, p50, p99 } = measured;
        return {
          certificates,
          p50,
          p99,
          rate: certificates / measured.seconds,
          cpu: cpuSeconds(pid) - before,
        };
      }),
    );
  await load(options.warmup);
  const runs: Omit<ReplicasRow, 'replicas'>[] = [];
  for (let round = 0; round < options.rounds; round++) {
    const [cpu, commits, began] = [cpuOfTree(server.pid), await commitsOf(server), performance.now()];
    const all = await load(options.seconds);
    const seconds = (performance.now() - began) / 1000;
    const made = (await commitsOf(server)) - commits;
    const sum = (pick: (one: Measured) => number): number => all.reduce((total, one) => total + pick(one), 0);
    const certificates = sum((one) => one.certificates);
    runs.push({
      certificatesPerSecond: sum(({ rate }) => rate),
      serviceCpu: (1e6 * sum((one) => one.cpu)) / certificates,
      databaseCpu: (1e6 * (cpuOfTree(server.pid) - cpu)) / certificates,
      commitsPerSecond: made / seconds,
      certificatesPerCommit: made === 0 ? 0 : certificates / made,
      p50: median(all.map((one) => one.p50)),
      p99: Math.max(...all.map((one) => one.p99)),
    });
  }
  for (const system of systems) await system.close();
  const middle = (pick: (run: (typeof runs)[number]) => number): number =>
    Number(median(runs.map(pick)).toFixed(1));
  return {
    replicas,
    certificatesPerSecond: middle((run) => run.certificatesPerSecond),
    serviceCpu: middle((run) => run.serviceCpu),
    databaseCpu: middle((run) => run.databaseCpu),
    commitsPerSecond: middle((run) => run.commitsPerSecond),
    certificatesPerCommit: middle((run) => run.certificatesPerCommit),
    p50: middle((run) => run.p50),
    p99: middle((run) => run.p99),
  };
}

/** Of one replica. CPU in seconds. */
interface Measured {
  readonly certificates: number;
  readonly rate: number;
  readonly cpu: number;
  readonly p50: number;
  readonly p99: number;
}

/** Batches of the certificate log that there are: what else the database commits is not counted. */
async function commitsOf(server: PostgresServer): Promise<number> {
  const { rows } = await server.query("SELECT to_regclass('mayfly.log_batch') IS NOT NULL AS there");
  if (rows[0]?.['there'] !== true) return 0;
  const found = await server.query('SELECT count(*)::int AS n FROM mayfly.log_batch');
  return Number(found.rows[0]?.['n']);
}

/** CPU seconds of a process and its children. */
function cpuOfTree(pid: number): number {
  if (process.platform !== 'linux') return 0;
  const children = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && parentOf(name) === pid);
  return [pid, ...children.map(Number)].reduce((sum, one) => sum + cpuSeconds(one), 0);
}

function parentOf(pid: string): number {
  try {
    return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[1]);
  } catch {
    return 0;
  }
}

/** Prints it. */
export function printReplicas(rows: readonly ReplicasRow[]): void {
  console.table(
    rows.map((row) => ({
      replicas: row.replicas === 0 ? 'one, SQLite' : row.replicas,
      'certs/s': Math.round(row.certificatesPerSecond),
      'CPU µs/cert': Math.round(row.serviceCpu),
      'of the database': Math.round(row.databaseCpu),
      'commits/s': Math.round(row.commitsPerSecond),
      'certs/commit': row.certificatesPerCommit,
      [`${BUSY} conns p50/p99 ms`]: `${row.p50} / ${row.p99}`,
    })),
  );
}
