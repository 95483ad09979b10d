import { orUsage, parseWords, positive, printHelp, UsageError } from './command-line.ts';

/** How a benchmark runs. */
export interface BenchOptions {
  readonly distinct: number;
  readonly seconds: number;
  /** Seconds of load before anything is measured: the engine compiles what is hot for some ten seconds. */
  readonly warmup: number;
  readonly rounds: number;
  /** Runs of each whole command, after one that warms up. */
  readonly runs: number;
  /** Whether the floor is measured once, and not again between the systems. */
  readonly floorOnce: boolean;
  readonly sizes: readonly number[];
  readonly fulcio: boolean;
  /** Whether to measure what rules, many issuers and reloads cost. */
  readonly control: boolean;
  /** Whether to measure timestamps. */
  readonly timestamps: boolean;
  /** Whether to measure entries of the logs of artifacts. */
  readonly artifactLogs: boolean;
  /** Entries of the log of artifacts that is searched. */
  readonly searched: number;
  /** Whether to measure whole runs of programs that sign and verify. */
  readonly commands: boolean;
  /** Whether to measure what the listeners beside HTTP cost. */
  readonly listeners: boolean;
  /** Whether to measure what a second worker costs and brings. */
  readonly workers: boolean;
  /** Whether to measure what replicas on one database bring and cost. */
  readonly replicas: boolean;
  /** Whether to measure the verification of bundles. */
  readonly verification: boolean;
  /** Whether to measure certificates. */
  readonly certificates: boolean;
  /** Whether to measure what a long log costs, and then nothing else but for a smoke test. */
  readonly scale: boolean;
  /** Entries of the longest log that is checked as a whole. */
  readonly checked: number;
  /** Certificates, about, that a service with a long log issues before its memory is looked at. */
  readonly issued: number;
  /** Where the logs that were grown are kept for another run; undefined: they are removed. */
  readonly keep: string | undefined;
  /** Whether the grown logs are indexed for searches to their end before anything is measured. */
  readonly index: boolean;
  /** Issuers, with a rule each, that do not apply to the tokens. */
  readonly others: number;
  /** How often two systems that are compared are started anew. */
  readonly starts: number;
  readonly out: string;
  readonly serverCore: number;
  readonly loadCore: number;
}

const HELP = `npm run bench -- [options]

  --scale            measure what a long log costs, and nothing else; sizes then default to 0,1000000,10000000
  --keep DIR         with --scale: where the logs that were grown stay for another run, which goes on with them
  --no-index         with --scale: do not wait until the grown logs are indexed for searches
  --checked 1000000  with --scale: entries of the longest log that is checked as a whole
  --issued 10000     with --scale: certificates before memory and files are looked at
  --smoke            a short run that only shows that everything works
  --sizes 0,100000   sizes of the log to measure at (default 0,100000,1000000)
  --seconds 4        length of one measurement
  --warmup 30        seconds of load on each system before it is measured
  --rounds 3         measurements of each kind; the median is shown
  --distinct 20000   distinct token-key-proof sets
  --no-fulcio        do not measure Fulcio beside
  --no-control       do not measure what rules, many issuers and reloads cost
  --no-timestamps    do not measure timestamps
  --no-artifact-logs do not measure entries of the logs of artifacts, and searches of them
  --searched 1000000 entries of the log of artifacts that is searched
  --no-commands      do not measure whole runs of \`mayfly sign\` and \`mayfly verify bundle\`
  --no-listeners     do not measure what gRPC, timestamps, logs of artifacts and the index of certificates cost beside HTTP
  --no-workers       do not measure what a second worker costs and brings
  --no-replicas      do not measure what replicas on one database bring and cost
  --no-certificates  do not measure certificates
  --no-verification  do not measure the verification of bundles
  --others 1000      issuers and rules that do not apply to the tokens
  --starts 7         how often two systems that are compared are started anew
  --out FILE         where the JSON goes (default bench-results.json)
  --server-core 1    core of the servers
  --load-core 0      core of the load generator
`;

/** Reads the command line. Help, and a usage error of one line, end the process: with 0 and with 2. */
export const readOptions = (argv: readonly string[]): BenchOptions =>
  orUsage('bench', () => parseOptions(argv));

/** The options in `argv`; throws {@link UsageError}. Prints the help and exits when asked. */
export function parseOptions(argv: readonly string[]): BenchOptions {
  const values = parseWords(argv, OPTIONS);
  if (values.help) printHelp(HELP);
  const { smoke } = values;
  const rounds = whole('rounds', values.rounds ?? (smoke ? '1' : '3'), 1);
  const usual = values.scale ? '0,1000000,10000000' : '0,100000,1000000';
  const sizes = values.sizes ?? (smoke ? '0,2000' : usual);
  const isAll = !values.scale;
  const certificates = values.certificates && isAll;
  return {
    distinct: whole('distinct', values.distinct ?? (smoke ? '300' : '20000'), 1),
    seconds: positive('seconds', values.seconds ?? (smoke ? '0.3' : '4')),
    warmup: positive('warmup', values.warmup ?? (smoke ? '0.3' : '30')),
    rounds,
    runs: smoke ? 1 : 5 * rounds,
    floorOnce: smoke,
    sizes: sizes.split(',').map((size) => whole('sizes', size, 0)),
    fulcio: values.fulcio ?? (!smoke && isAll),
    control: values.control && certificates,
    timestamps: values.timestamps && isAll,
    artifactLogs: values['artifact-logs'] && isAll,
    searched: whole('searched', values.searched ?? (smoke ? '2000' : '1000000'), 1),
    commands: values.commands && isAll,
    listeners: values.listeners && certificates,
    workers: values.workers && certificates,
    replicas: values.replicas && certificates,
    verification: values.verification && isAll,
    certificates,
    scale: values.scale || smoke,
    checked: whole('checked', values.checked, 0),
    issued: whole('issued', values.issued ?? (smoke ? '100' : '10000'), 1),
    keep: values.keep,
    index: values.index,
    others: whole('others', values.others ?? (smoke ? '50' : '1000'), 1),
    starts: whole('starts', values.starts ?? (smoke ? '1' : '7'), 1),
    out: values.out,
    serverCore: whole('server-core', values['server-core'], 0),
    loadCore: whole('load-core', values['load-core'], 0),
  };
}

const OPTIONS = {
  smoke: { type: 'boolean', default: false },
  scale: { type: 'boolean', default: false },
  keep: { type: 'string' },
  index: { type: 'boolean', default: true },
  checked: { type: 'string', default: '1000000' },
  issued: { type: 'string' },
  sizes: { type: 'string' },
  seconds: { type: 'string' },
  warmup: { type: 'string' },
  rounds: { type: 'string' },
  distinct: { type: 'string' },
  fulcio: { type: 'boolean' },
  control: { type: 'boolean', default: true },
  timestamps: { type: 'boolean', default: true },
  'artifact-logs': { type: 'boolean', default: true },
  commands: { type: 'boolean', default: true },
  listeners: { type: 'boolean', default: true },
  workers: { type: 'boolean', default: true },
  replicas: { type: 'boolean', default: true },
  verification: { type: 'boolean', default: true },
  certificates: { type: 'boolean', default: true },
  searched: { type: 'string' },
  others: { type: 'string' },
  starts: { type: 'string' },
  out: { type: 'string', default: 'bench-results.json' },
  'server-core': { type: 'string', default: '1' },
  'load-core': { type: 'string', default: '0' },
  help: { type: 'boolean', default: false },
} as const;

function whole(name: string, text: string, least: number): number {
  const value = Number(text);
  if (/^\d{1,12}$/.test(text) && value >= least) return value;
  throw new UsageError(`--${name}: "${text}" is not a whole number of at least ${least}`);
}
