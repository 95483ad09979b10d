import { orUsage, parseWords, positive, printHelp } from '../bench/command-line.ts';
import type { Scale } from './chapter.ts';

/** How a campaign is run. */
export interface CampaignOptions {
  readonly isShort: boolean;
  readonly scale: Scale;
  /** What random numbers begin with. */
  readonly seed: number;
  /** Words in the names of chapters and saboteurs; all when there are none. */
  readonly only: readonly string[];
}

const HELP = `npm run campaign -- [options]

Starts services on this machine, one with SQLite and three on one PostgreSQL, makes every fault that it knows to them, and holds each
promise of their logs to a ledger of what clients were answered. Where PostgreSQL cannot be installed, it says what it skips. Builds that break a promise on purpose have to be caught. Writes docs/campaign.md. Exits with 1
when a promise was broken, or a build that breaks one was not caught.

  --short        some of each, in two to three minutes on two cores; writes nothing
  --every N      an N-th of everything: kills, failing steps, cuts, and faults of replicas (default 1)
  --only WORDS   only what has these words in its name; may be given several times; writes nothing
  --seed N       repeat a run's random numbers
`;

const LONG: Scale = {
  kills: 60,
  stepStride: 1,
  outageMs: 6_000,
  cuts: 120,
  replicaFaults: 60,
  pauseMs: 12_000,
  awayMs: 6_000,
  databaseFaults: 45,
  failovers: 72,
  networkFaults: 240,
  bucketFaults: 96,
};
const SHORT: Scale = {
  kills: 2,
  stepStride: 100,
  outageMs: 600,
  cuts: 4,
  replicaFaults: 2,
  pauseMs: 4_000,
  awayMs: 2_500,
  databaseFaults: 1,
  failovers: 2,
  networkFaults: 2,
  bucketFaults: 1,
};

/** Reads the command line. Help, and a usage error of one line, end the process: with 0 and with 2. */
export const readOptions = (argv: readonly string[]): CampaignOptions =>
  orUsage('campaign', () => parseOptions(argv));

/** The options in `argv`; throws UsageError. Prints the help and exits when asked. */
export function parseOptions(argv: readonly string[]): CampaignOptions {
  const values = parseWords(argv, OPTIONS);
  if (values.help) printHelp(HELP);
  const {
    short: isShort,
    only = [],
    every = '1',
    seed = String(1 + Math.floor(Math.random() * 99_999)),
  } = values;
  const scale = isShort ? SHORT : LONG;
  return {
    isShort,
    only,
    seed: positive('seed', seed),
    scale: thinned(scale, positive('every', every)),
  };
}

const thinned = (scale: Scale, every: number): Scale => ({
  ...scale,
  kills: Math.ceil(scale.kills / every),
  stepStride: scale.stepStride * every,
  cuts: Math.ceil(scale.cuts / every),
  replicaFaults: Math.ceil(scale.replicaFaults / every),
  databaseFaults: Math.ceil(scale.databaseFaults / every),
  failovers: Math.ceil(scale.failovers / every),
  networkFaults: Math.ceil(scale.networkFaults / every),
  bucketFaults: Math.ceil(scale.bucketFaults / every),
});

const OPTIONS = {
  short: { type: 'boolean', default: false },
  every: { type: 'string' },
  only: { type: 'string', multiple: true },
  seed: { type: 'string' },
  help: { type: 'boolean', default: false },
} as const;
