/** Whole commands, from the start of the program to its end: `mayfly sign` and `mayfly verify bundle`, a stock cosign that does the same beside each, and Node that does nothing. */
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createInstance, startMayfly } from './mayfly.ts';
import { median } from './process.ts';
import { startStockStack, type StockStack } from './stock-stack.ts';
import type { Bench } from './throughput.ts';
import { workFolder } from './work-folder.ts';

/** One program. Milliseconds; CPU of user and system. */
export interface CommandRow {
  readonly program: string;
  readonly wallP50: number;
  readonly wallFastest: number;
  readonly cpuP50: number;
  /** As many times of what cosign takes for the same, the medians; undefined where nothing does. */
  readonly wallOfCosign: number | undefined;
  readonly cpuOfCosign: number | undefined;
}

const program = join(import.meta.dirname, '../../bin/mayfly.js');
const COSIGN = process.env['COSIGN'] ?? join(homedir(), '.cache/mayfly-judges/cosign-3.1.2/cosign');

/** Bash counts CPU in milliseconds, others in hundredths of a second. */
const SHELL = existsSync('/bin/bash') ? '/bin/bash' : 'sh';

const run = promisify(execFile);

type Place = (name: string) => string;

/** A command, and the one of cosign that does the same. */
interface Command {
  readonly name: string;
  readonly line: readonly string[];
  readonly beside?: string;
  /** It takes seconds, and is run less often. */
  readonly isSlow?: true;
}

/** Measures them against one running service; `issuer` is the URL of the benchmark's issuer. Both sign with the same token, and all take turns. */
export async function measureCommands(
  { bodies, log, options }: Bench,
  issuer: string,
  core: number,
): Promise<readonly CommandRow[]> {
  const data = createInstance(issuer);
  const system = await startMayfly(data, core);
  const hasCosign = existsSync(COSIGN);
  const stack = options.fulcio && hasCosign ? await startStockStack(issuer, core, log) : undefined;
  try {
    const folder = workFolder('commands');
    const at: Place = (name) => join(folder, name);
    exportTrust(data, `http://${system.host}:${system.port}`, at);
    writeFileSync(at('artifact'), 'what is signed');
    writeFileSync(at('token'), tokenIn(bodies.get('ES256') ?? ''));
    if (!hasCosign) log(`no cosign at ${COSIGN}: Mayfly is measured alone`);
    const stock = stack === undefined ? [] : [onStockStack(at, stack)];
    const commands = [...ours(at), ...(hasCosign ? cosigns(at) : []), ...stock];
    const samples = new Map(commands.map(({ name }) => [name, [] as Sample[]]));
    for (let round = 0; round <= options.runs; round++)
      for (const { name, line, isSlow } of commands) {
        if (isSlow === true && round > options.rounds) continue;
        const sample = await timed(line, folder);
        // The first one fills the caches of the system.
        if (round > 0) samples.get(name)?.push(sample);
      }
    return commands.map((command) => rowOf(command, samples));
  } finally {
    await stack?.close();
    await system.close();
  }
}

/** What clients are given: into `trust` all of it, and into `unlogged` the same without a log of artifacts. */
function exportTrust(data: string, url: string, at: Place): void {
  const words = ['trust', 'export', '--data', data, '--public-url', url, '--out', at('trust')];
  execFileSync(process.execPath, [program, ...words]);
  mkdirSync(at('unlogged'));
  for (const name of ['client_trust_config.json', 'signing_config.v0.2.json', 'trusted_root.json']) {
    const without = (member: string, value: unknown): unknown => (LOG_MEMBERS.has(member) ? [] : value);
    const json: unknown = JSON.parse(readFileSync(at(`trust/${name}`), 'utf8'), without);
    writeFileSync(at(`unlogged/${name}`), JSON.stringify(json));
  }
}

/** Where the files name logs of artifacts. */
const LOG_MEMBERS: ReadonlySet<string> = new Set(['rekorTlogUrls', 'tlogs']);

/** What to sign for, and what it is called: with a timestamp and an entry of the log of artifacts, as clients do that are given no flag; and with the timestamp alone. */
const TRUSTS = [
  ['trust', ''],
  ['unlogged', ', no entry'],
] as const;

const ours = (at: Place): readonly Command[] => [
  { name: 'node -e 0', line: [process.execPath, '-e', '0'] },
  ...TRUSTS.map(([trust, suffix]) => ({
    name: `mayfly sign${suffix}`,
    line: [
      ...[process.execPath, program, 'sign', at('artifact'), '--force', '--token-file', at('token')],
      ...['--trust-config', at(`${trust}/client_trust_config.json`), '--bundle', at(`mayfly-${trust}.json`)],
    ],
    beside: `cosign sign-blob${suffix}`,
  })),
  {
    name: 'mayfly verify bundle',
    line: [
      ...[process.execPath, program, 'verify', 'bundle', at('mayfly-trust.json')],
      ...['--artifact', at('artifact'), '--trusted-root', at('trust/trusted_root.json'), '--any-identity'],
    ],
    beside: 'cosign verify-blob',
  },
];

const cosigns = (at: Place): readonly Command[] => [
  ...TRUSTS.map(([trust, suffix]) => ({ name: `cosign sign-blob${suffix}`, line: cosignSigns(at, trust) })),
  {
    name: 'cosign verify-blob',
    line: [
      ...[COSIGN, 'verify-blob', '--bundle', at('mayfly-trust.json')],
      ...['--trusted-root', at('trust/trusted_root.json')],
      ...['--certificate-identity-regexp', '.*', '--certificate-oidc-issuer-regexp', '.*', at('artifact')],
    ],
  },
];

const cosignSigns = (at: Place, trust: string): readonly string[] =>
  signBlob(
    at,
    {
      signingConfig: at(`${trust}/signing_config.v0.2.json`),
      trustedRoot: at(`${trust}/trusted_root.json`),
    },
    at(`cosign-${trust}.json`),
  );

const onStockStack = (at: Place, stack: StockStack): Command => ({
  name: 'cosign sign-blob, stock stack',
  line: signBlob(at, stack, at('stock.json')),
  isSlow: true,
});

const signBlob = (
  at: Place,
  { signingConfig, trustedRoot }: Omit<StockStack, 'close'>,
  bundle: string,
): readonly string[] => [
  ...[COSIGN, 'sign-blob', '-y', '--signing-config', signingConfig, '--trusted-root', trustedRoot],
  ...['--identity-token', at('token'), '--bundle', bundle, at('artifact')],
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
  const { stdout: output } = await run(SHELL, ['-c', '"$@" >/dev/null || exit 1; times', 'sh', ...line], {
    env: { PATH: process.env['PATH'], HOME: home },
  });
  const wall = performance.now() - start;
  const times = [...output.matchAll(/(\d+)m([\d.]+)s/g)]
    .slice(2)
    .map(([, minutes, seconds]) => Number(minutes) * 60 + Number(seconds));
  return { wall, cpu: times.reduce((sum, time) => sum + time, 0) * 1000 };
}

function rowOf({ name, beside }: Command, samples: ReadonlyMap<string, readonly Sample[]>): CommandRow {
  const middle = (of: string, pick: (sample: Sample) => number): number =>
    median((samples.get(of) ?? []).map(pick));
  const times = (pick: (sample: Sample) => number): number | undefined =>
    beside === undefined || !samples.has(beside)
      ? undefined
      : Number((middle(name, pick) / middle(beside, pick)).toFixed(2));
  return {
    program: name,
    wallP50: Math.round(middle(name, ({ wall }) => wall)),
    wallFastest: Math.round(Math.min(...(samples.get(name) ?? []).map(({ wall }) => wall))),
    cpuP50: Math.round(middle(name, ({ cpu }) => cpu)),
    wallOfCosign: times(({ wall }) => wall),
    cpuOfCosign: times(({ cpu }) => cpu),
  };
}

/** Prints the table. */
export function printCommands(rows: readonly CommandRow[]): void {
  console.table(
    rows.map((row) => ({
      program: row.program,
      'whole p50 ms': row.wallP50,
      'fastest ms': row.wallFastest,
      'CPU p50 ms': row.cpuP50,
      'times cosign, whole': row.wallOfCosign ?? '–',
      'times cosign, CPU': row.cpuOfCosign ?? '–',
    })),
  );
}
