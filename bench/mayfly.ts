/** Mayfly as the benchmark runs it: the real program, a real data directory, the durable log inside. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { githubProviderYaml } from './github-provider-yaml.ts';
import { pinned, startUntil, stop } from './process.ts';

const program = join(import.meta.dirname, '../../bin/mayfly.js');

/** A service under measurement. */
export interface System {
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  close(): Promise<void>;
}

/** A new data directory whose only issuer is the benchmark's, configured like GitHub Actions. */
export function createInstance(issuer: string): string {
  const data = join(mkdtempSync(join(tmpdir(), 'mayfly-bench-')), 'data');
  execFileSync(process.execPath, [program, 'init', '--data', data, '--keep-root-key', '--json']);
  const config = join(data, 'config.yaml');
  const ours = /^mayfly:[\s\S]*/m.exec(readFileSync(config, 'utf8'))?.[0] ?? '';
  writeFileSync(config, `${githubProviderYaml(issuer)}${ours}`);
  return data;
}

/** Starts `mayfly serve` on `core`. */
export async function startMayfly(data: string, core: number): Promise<System> {
  const serve = [process.execPath, program, 'serve', '--data', data, '--json'];
  const anywhere = ['--listen', '127.0.0.1:0', '--metrics-listen', '127.0.0.1:0'];
  const { child, line } = await startUntil(pinned(core, [...serve, ...anywhere]), (text) =>
    text.startsWith('{'),
  );
  const { url } = JSON.parse(line) as { url: string };
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port), pid: child.pid ?? 0, close: () => stop(child) };
}
