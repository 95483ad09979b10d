import { orUsage, parseWords, positive, printHelp, UsageError } from '../bench/command-line.ts';
import { MAX_GROWTH } from './verdict.ts';

/** How the attacks are run. */
export interface AbuseOptions {
  readonly list: boolean;
  /** Names of attacks; all when there are none. */
  readonly only: readonly string[];
  /** Of each attack, and of the quiet before and after it. */
  readonly seconds: number;
  readonly quietSeconds: number;
  /** Milliseconds by which the p99 of honest clients may grow. */
  readonly maxGrowth: number;
  /** Threads of the service that take connections. */
  readonly workers: number;
  /** Where what was measured goes as JSON. */
  readonly json?: string | undefined;
}

const HELP = `npm run abuse -- [options]

Starts a \`mayfly serve\` of its own on this machine and attacks it while honest clients sign and read. Exits with 1 when
an attack breaks a limit: latency and refusals of honest clients, resident memory, growth of the service log, or a
certificate that was acknowledged and is not in the log.

  --list         list the attacks
  --only NAME    run one attack; may be given several times
  --seconds N    length of each attack (default 10)
  --short        2.5 seconds for each attack. The p99 of the hundred requests in it is the slowest of them, and 512
                 attackers in a queue take half a second on a slow machine: it may grow by 1000 ms, not 250
  --workers N    threads of the service that take connections (default 1)
  --json FILE    write all measurements
`;

/** Reads the command line. Help, and a usage error of one line, end the process: with 0 and with 2. */
export const readOptions = (argv: readonly string[], attacks: readonly string[]): AbuseOptions =>
  orUsage('abuse', () => parseOptions(argv, attacks));

/** The options in `argv`; throws {@link UsageError}. Prints the help and exits when asked. */
export function parseOptions(argv: readonly string[], attacks: readonly string[]): AbuseOptions {
  const values = parseWords(argv, OPTIONS);
  if (values.help) printHelp(HELP);
  const { list, only = [], short, seconds = short ? '2.5' : '10', json } = values;
  const unknown = only.find((name) => !attacks.includes(name));
  if (unknown !== undefined) throw new UsageError(`there is no attack "${unknown}"; --list names all`);
  const [quietSeconds, maxGrowth] = short ? [1, 4 * MAX_GROWTH] : [4, MAX_GROWTH];
  const workers = positive('workers', values.workers);
  return { list, only, seconds: positive('seconds', seconds), quietSeconds, maxGrowth, workers, json };
}

const OPTIONS = {
  list: { type: 'boolean', default: false },
  only: { type: 'string', multiple: true },
  seconds: { type: 'string' },
  short: { type: 'boolean', default: false },
  workers: { type: 'string', default: '1' },
  json: { type: 'string' },
  help: { type: 'boolean', default: false },
} as const;
