import { parseArgs } from 'node:util';

/** How a benchmark runs. */
export interface BenchOptions {
  readonly distinct: number;
  readonly seconds: number;
  /** Seconds of load before anything is measured: the engine compiles what is hot for some ten seconds. */
  readonly warmup: number;
  readonly rounds: number;
  readonly sizes: readonly number[];
  readonly fulcio: boolean;
  readonly out: string;
  readonly serverCore: number;
  readonly loadCore: number;
}

const HELP = `npm run bench -- [options]

  --smoke            a short run that only shows that everything works
  --sizes 0,100000   sizes of the log to measure at (default 0,100000,1000000)
  --seconds 4        length of one measurement
  --warmup 10        seconds of load on each system before it is measured
  --rounds 3         measurements of each kind; the median is shown
  --distinct 20000   distinct token-key-proof sets
  --no-fulcio        do not measure Fulcio beside
  --out FILE         where the JSON goes (default bench-results.json)
  --server-core 1    core of the servers
  --load-core 0      core of the load generator
`;

/** Reads the command line; prints the help and exits when asked. */
export function readOptions(argv: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...argv],
    allowNegative: true,
    options: {
      smoke: { type: 'boolean', default: false },
      sizes: { type: 'string' },
      seconds: { type: 'string' },
      warmup: { type: 'string' },
      rounds: { type: 'string' },
      distinct: { type: 'string' },
      fulcio: { type: 'boolean' },
      out: { type: 'string', default: 'bench-results.json' },
      'server-core': { type: 'string', default: '1' },
      'load-core': { type: 'string', default: '0' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    process.exit(0);
  }
  return {
    distinct: Number(values.distinct ?? (values.smoke ? 300 : 20_000)),
    seconds: Number(values.seconds ?? (values.smoke ? 1 : 4)),
    warmup: Number(values.warmup ?? (values.smoke ? 1 : 10)),
    rounds: Number(values.rounds ?? (values.smoke ? 1 : 3)),
    sizes: (values.sizes ?? (values.smoke ? '0,2000' : '0,100000,1000000')).split(',').map(Number),
    fulcio: values.fulcio ?? !values.smoke,
    out: values.out,
    serverCore: Number(values['server-core']),
    loadCore: Number(values['load-core']),
  };
}
