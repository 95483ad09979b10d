/** A whole `mayfly sign`, from the start of the program to the bundle on the disk, and a stock cosign that does the same beside it. */
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createInstance, startMayfly } from './mayfly.ts';
import { median } from './process.ts';
import type { Bench } from './throughput.ts';

/** One program. Milliseconds; CPU of user and system. */
interface SigningRow {
  readonly program: string;
  readonly wallP50: number;
  readonly wallFastest: number;
  readonly cpuP50: number;
}

/** What was measured. */
export type SigningResults = readonly SigningRow[];

const program = join(import.meta.dirname, '../../bin/mayfly.js');
const COSIGN = process.env['COSIGN'] ?? join(homedir(), '.cache/mayfly-judges/cosign-3.1.2/cosign');
const RUNS = 15;

const run = promisify(execFile);

/** Measures it against one running service; `issuer` is the URL of the benchmark's issuer. Both programs have the same token and take turns. */
export async function measureSigning(
  { bodies, log }: Bench,
  issuer: string,
  core: number,
): Promise<SigningResults> {
  const data = createInstance(issuer);
  const system = await startMayfly(data, core);
  try {
    const folder = mkdtempSync(join(tmpdir(), 'mayfly-bench-'));
    const url = `http://${system.host}:${system.port}`;
    const at = (name: string): string => join(folder, name);
    execFileSync(process.execPath, [
      program,
      'trust',
      'export',
      '--data',
      data,
      '--public-url',
      url,
      '--out',
      at('trust'),
    ]);
    writeFileSync(at('artifact'), 'what is signed');
    writeFileSync(at('token'), tokenIn(bodies.get('ES256') ?? ''));
    const commands = new Map([
      ['mayfly sign', mayflyLine(at)],
      ...(existsSync(COSIGN) ? [['cosign sign-blob 3.1.2', cosignLine(at)] as const] : []),
    ]);
    if (commands.size === 1) log(`no cosign at ${COSIGN}: mayfly sign is measured alone`);
    const samples = new Map([...commands.keys()].map((name) => [name, [] as Sample[]]));
    for (let round = 0; round <= RUNS; round++)
      for (const [name, line] of commands) {
        const sample = await timed(line, folder);
        // The first one fills the caches of the system.
        if (round > 0) samples.get(name)?.push(sample);
      }
    return [...samples].map(([name, all]) => rowOf(name, all));
  } finally {
    await system.close();
  }
}

const mayflyLine = (at: (name: string) => string): readonly string[] => [
  ...[process.execPath, program, 'sign', at('artifact'), '--force', '--token-file', at('token')],
  ...['--trust-config', at('trust/client_trust_config.json'), '--bundle', at('mayfly.json')],
];

const cosignLine = (at: (name: string) => string): readonly string[] => [
  ...[COSIGN, 'sign-blob', '-y', '--signing-config', at('trust/signing_config.v0.2.json')],
  ...['--trusted-root', at('trust/trusted_root.json'), '--identity-token', at('token')],
  ...['--bundle', at('cosign.json'), at('artifact')],
];

/** The token of the first request of a file of them. */
function tokenIn(file: string): string {
  const [line = ''] = readFileSync(file, 'utf8').split('\n');
  const [token] = /eyJ[\w-]+\.[\w-]+\.[\w-]+/.exec(line) ?? [];
  if (token === undefined) throw new Error(`${file} has no token`);
  return token;
}

interface Sample {
  readonly wall: number;
  readonly cpu: number;
}

/** Runs a command to its end, beside the issuer in this process. The shell around it says what CPU it took, and costs a millisecond itself. */
async function timed(line: readonly string[], home: string): Promise<Sample> {
  const start = performance.now();
  const { stdout: output } = await run('sh', ['-c', '"$@" >/dev/null || exit 1; times', 'sh', ...line], {
    env: { PATH: process.env['PATH'], HOME: home },
  });
  const wall = performance.now() - start;
  const times = [...output.matchAll(/(\d+)m([\d.]+)s/g)]
    .slice(2)
    .map(([, minutes, seconds]) => Number(minutes) * 60 + Number(seconds));
  return { wall, cpu: times.reduce((sum, time) => sum + time, 0) * 1000 };
}

const rowOf = (name: string, samples: readonly Sample[]): SigningRow => ({
  program: name,
  wallP50: Math.round(median(samples.map(({ wall }) => wall))),
  wallFastest: Math.round(Math.min(...samples.map(({ wall }) => wall))),
  cpuP50: Math.round(median(samples.map(({ cpu }) => cpu))),
});

/** Prints the table. */
export function printSigning(rows: SigningResults): void {
  console.table(
    rows.map((row) => ({
      program: row.program,
      'whole p50 ms': row.wallP50,
      'fastest ms': row.wallFastest,
      'CPU p50 ms': row.cpuP50,
    })),
  );
}
