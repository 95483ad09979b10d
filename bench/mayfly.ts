/** Mayfly as the benchmark runs it: the real program, a real data directory, the durable log inside. */
import { execFileSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { githubProviderYaml } from './github-provider-yaml.ts';
import { pinned, startUntil, stop } from './process.ts';
import { workFolder } from './work-folder.ts';

/** The program that is measured. */
export const program = join(import.meta.dirname, '../../bin/mayfly.js');

/** A service under measurement. */
export interface System {
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  close(): Promise<void>;
}

/** A running Mayfly: what else a benchmark may do with it. */
export interface MayflySystem extends System {
  readonly child: ChildProcess;
  readonly metricsUrl: string;
}

/** All requests of a benchmark come from one workflow, which asks far more often than the default rate limit allows; and its
 * plain Fulcio file has no rules. */
const OURS = `mayfly:
  require-rules: false
  rate-limit:
    principal: off
  timestamps:
    rate-limit: off
  artifact-log:
    rate-limit: off
`;

/** A new data directory whose only issuer is the benchmark's, configured like GitHub Actions; `config` is another
 * configuration, all but the block `mayfly`. One that is there already, at `data`, gets the configuration alone. */
export function createInstance(
  issuer: string,
  config = githubProviderYaml(issuer),
  data = join(workFolder('instance'), 'data'),
): string {
  // Clients of Rekor look for the host of its URL in what a log signs.
  const origin = '127.0.0.1/log/bench';
  if (!existsSync(data))
    execFileSync(process.execPath, [
      ...[program, 'init', '--data', data, '--origin', origin, '--keep-root-key', '--json'],
    ]);
  configure(data, config);
  return data;
}

/** Writes the configuration of a directory anew. */
export function configure(data: string, config: string): void {
  writeFileSync(join(data, 'config.yaml'), `${config}${OURS}`);
}

/** Lets the logs of that directory be elsewhere; `log` is the block `mayfly.log` in YAML. */
export function keepIn(data: string, log: string): void {
  const file = join(data, 'config.yaml');
  writeFileSync(file, readFileSync(file, 'utf8').replace('mayfly:\n', `mayfly:\n  log: ${log}\n`));
}

/** Lets a service of that directory grant no timestamps. */
export function withoutTimestamps(data: string): void {
  setIn(data, 'timestamps', 'enabled: false');
}

/** Lets a service of that directory serve no log of artifacts. */
export function withoutArtifactLogs(data: string): void {
  setIn(data, 'artifact-log', 'v1: false');
  setIn(data, 'artifact-log', 'v2: false');
}

/** Lets a service of that directory index no certificate: a directory lies where the file of the index would be, and a service goes on without one. */
export function withoutSearchIndex(data: string): void {
  for (const name of readdirSync(join(data, 'logs'))) mkdirSync(join(data, 'logs', name, 'search.db'));
}

/** Lets everybody log artifacts, and not only who has a certificate of this CA. */
export function admitEverybody(data: string): void {
  setIn(data, 'artifact-log', 'admission: any');
}

function setIn(data: string, section: string, line: string): void {
  const file = join(data, 'config.yaml');
  writeFileSync(file, readFileSync(file, 'utf8').replace(`${section}:\n`, `${section}:\n    ${line}\n`));
}

/** The listeners that a service can have without TLS. */
const LISTENERS = ['--listen', '--metrics-listen', '--grpc-listen'] as const;

/** Starts `mayfly serve` on `core`, with all the listeners that it can have without TLS unless `options` names some, and with so
 * many workers. */
export async function startMayfly(
  data: string,
  core: number | readonly number[],
  options: readonly (typeof LISTENERS)[number][] = LISTENERS,
  workers = 1,
): Promise<MayflySystem> {
  const threads = workers === 1 ? [] : ['--workers', String(workers)];
  const serve = [process.execPath, program, 'serve', '--data', data, '--json', ...threads];
  const anywhere = options.flatMap((option) => [option, '127.0.0.1:0']);
  const { child, line } = await startUntil(pinned(core, [...serve, ...anywhere]), (text) =>
    text.startsWith('{'),
  );
  const { url, metricsUrl } = JSON.parse(line) as { url: string; metricsUrl: string };
  const { hostname, port } = new URL(url);
  return {
    host: hostname,
    port: Number(port),
    pid: child.pid ?? 0,
    child,
    metricsUrl,
    close: () => stop(child),
  };
}
