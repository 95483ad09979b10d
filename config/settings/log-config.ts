import { resolve } from 'node:path';
import type { RateLimit } from '../../policy/issuer-policy-definition.ts';
import type { LogValues } from '../schema/log-schema.ts';
import type { MayflyValues } from '../schema/mayfly-schema.ts';
import type { Report } from '../findings/report.ts';
import { findUnusableFile } from './file-checks.ts';

/** Submission of certificates by other CAs. */
export interface SubmissionConfig {
  /** Absolute path of a PEM file. */
  readonly rootsFile: string;
  /** Object identifiers; undefined: any use will do. */
  readonly usages: readonly string[] | undefined;
  /** For each client; undefined: none. */
  readonly rateLimit: RateLimit | undefined;
  readonly maxInFlight: number;
}

/** A log of somebody else that certificates go to. */
export interface OutsideLogConfig {
  /** No slash at the end. */
  readonly url: string;
  /** Absolute paths of PEM files. */
  readonly publicKeyFile: string;
  readonly tlsRootsFile?: string | undefined;
}

/** What stands under `mayfly.log`. */
export interface LogConfig {
  /** The database with the history of all logs; undefined: in files of the data directory. */
  readonly commits?: StoreConfig | undefined;
  /** Where the tiles of all logs are; undefined: in files of the data directory. */
  readonly tiles?: TilesConfig | undefined;
  /** Milliseconds in which the stored files of each log are read through; undefined: never. */
  readonly scrubIntervalMs?: number | undefined;
  /** Undefined: nobody hands in certificates. */
  readonly submission?: SubmissionConfig | undefined;
  /** The second place that the newest heads are held to; undefined: none. */
  readonly anchor?: AnchorConfig | undefined;
  /** Who cosigns heads; undefined: nobody. */
  readonly witness?: WitnessConfig | undefined;
  /** When another certificate log takes the place of the one in use; undefined: never. */
  readonly shards?: ShardsConfig | undefined;
}

/** When one log follows another. One of the three is there. */
export interface ShardsConfig {
  readonly every: 'year' | 'half-year' | 'quarter' | 'month' | undefined;
  /** Milliseconds since the epoch, rising. */
  readonly at: readonly number[];
  /** Entries of the log in use. */
  readonly entries: number | undefined;
  /** Milliseconds for which a log is trusted before it is in use. */
  readonly leadMs: number;
  /** Who makes the next log. */
  readonly stagedBy: 'service' | 'operator';
}

/** Where it is, and when it is written. */
interface AnchorConfig {
  /** An absolute path, `s3://BUCKET[/PREFIX]`, the URL of a database without a password, or an http(s) URL, no slash at the end. */
  readonly at: string;
  readonly mode: 'asynchronous' | 'synchronous';
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
  readonly addressing?: 'path' | undefined;
  /** Absolute path. */
  readonly passwordFile?: string | undefined;
}

/** The witnesses of the logs. */
export interface WitnessConfig {
  /** Absolute path of the policy. */
  readonly policyFile: string;
  /** Whether nothing leaves before the quorum has cosigned a head that covers it. */
  readonly isRequired: boolean;
  /** Milliseconds for one answer. */
  readonly timeoutMs: number;
}

/** A database. */
interface StoreConfig {
  /** Without a password. */
  readonly url: string;
  /** Absolute path. */
  readonly passwordFile?: string | undefined;
}

/** A bucket, of which what is the usual thing is undefined; or `postgres`, beside the history. */
interface TilesConfig {
  /** `s3://BUCKET[/PREFIX]`, no slash at the end. */
  readonly url: string;
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
  readonly addressing?: 'path' | undefined;
  readonly writes?: 'plain' | undefined;
}

const AT = ['mayfly', 'log'] as const;

/** What the values mean, with absolute paths; `directory` is that of the file. Reports what does not fit together, or has no effect. */
export function logConfigOf(values: LogValues, directory: string, report: Report): LogConfig {
  const { store, 'store-password-file': passwordFile, tiles, bucket } = values;
  const isBucket = tiles !== undefined && tiles !== 'postgres';
  if (!isBucket && (isGiven(bucket) || bucket.writes !== 'conditional'))
    report.finding('NO_EFFECT', [...AT, 'bucket'], 'has no effect: log.tiles names no bucket');
  if (store === undefined && passwordFile !== undefined)
    report.finding('NO_EFFECT', [...AT, 'store-password-file'], 'has no effect: there is no log.store');
  if (store === undefined && tiles === 'postgres')
    report.problem(
      [...AT, 'tiles'],
      'is postgres, and there is no log.store',
      'Name the database in log.store, or leave log.tiles out.',
    );
  if (store !== undefined && isBucket && bucket.writes === 'plain')
    report.problem(
      [...AT, 'bucket', 'writes'],
      'is plain, and log.store is for several writers',
      'Use a bucket that decides If-None-Match, or tiles: postgres.',
    );
  if (passwordFile !== undefined && store !== undefined)
    findUnusableFile(
      resolve(directory, passwordFile),
      'the password',
      [...AT, 'store-password-file'],
      report,
    );
  const hours = values['scrub-interval'];
  return {
    ...(hours === 0 ? {} : { scrubIntervalMs: hours * 3_600_000 }),
    ...(store === undefined ? {} : { commits: commitsOf(store, passwordFile, directory) }),
    ...tilesOf(store, tiles, bucket),
    ...(values.anchor === undefined ? {} : { anchor: anchorOf(values.anchor, tiles, directory, report) }),
    ...submissionOf(values, directory, report),
    ...shardsOf(values, report),
    ...witnessOf(values, directory, report),
  };
}

const commitsOf = (url: string, passwordFile: string | undefined, directory: string): StoreConfig => ({
  url,
  ...(passwordFile === undefined ? {} : { passwordFile: resolve(directory, passwordFile) }),
});

function tilesOf(
  store: string | undefined,
  tiles: string | undefined,
  bucket: LogValues['bucket'],
): Pick<LogConfig, 'tiles'> {
  if (tiles === undefined) return store === undefined ? {} : { tiles: { url: 'postgres' } };
  if (tiles === 'postgres') return { tiles: { url: tiles } };
  const { writes } = bucket;
  return { tiles: { url: tiles, ...placeOf(bucket), ...(writes === 'plain' ? { writes } : {}) } };
}

function anchorOf(
  { at, mode, bucket, 'password-file': passwordFile }: NonNullable<LogValues['anchor']>,
  tiles: string | undefined,
  directory: string,
  report: Report,
): AnchorConfig {
  if (mode === 'synchronous' && /^https?:/.test(at))
    report.problem(
      [...AT, 'anchor', 'mode'],
      'synchronous needs a place that can be written, and a mirror is only read',
      'Name a directory, a bucket or a database, or take asynchronous.',
    );
  if (isGiven(bucket) && !at.startsWith('s3:'))
    report.finding('NO_EFFECT', [...AT, 'anchor', 'bucket'], 'has no effect: log.anchor.at is no bucket');
  const isDatabase = /^postgres(?:ql)?:/.test(at);
  if (passwordFile !== undefined && !isDatabase)
    report.finding(
      'NO_EFFECT',
      [...AT, 'anchor', 'password-file'],
      'has no effect: log.anchor.at is no database',
    );
  const password = isDatabase && passwordFile !== undefined ? resolve(directory, passwordFile) : undefined;
  if (password !== undefined)
    findUnusableFile(password, 'the password', [...AT, 'anchor', 'password-file'], report);
  if (tiles !== undefined && at === tiles)
    report.problem(
      [...AT, 'anchor', 'at'],
      'is the place of the tiles',
      'Name another bucket, or another prefix.',
    );
  return {
    at: at.replace(/(?<=.)\/$/, ''),
    mode,
    ...placeOf(bucket),
    ...(password === undefined ? {} : { passwordFile: password }),
  };
}

type PlaceValues = Pick<LogValues['bucket'], 'endpoint' | 'region' | 'addressing'>;

const isGiven = ({ endpoint, region, addressing }: PlaceValues): boolean =>
  endpoint !== undefined || region !== undefined || addressing !== 'host';

const placeOf = ({ endpoint, region, addressing }: PlaceValues) => ({
  ...(endpoint === undefined ? {} : { endpoint }),
  ...(region === undefined ? {} : { region }),
  ...(addressing === 'path' ? { addressing } : {}),
});

const CODE_SIGNING = '1.3.6.1.5.5.7.3.3';

function submissionOf(
  { submission }: LogValues,
  directory: string,
  report: Report,
): Pick<LogConfig, 'submission'> {
  if (submission === undefined) return {};
  const { roots, 'extended-key-usages': usages, 'rate-limit': bucket } = submission;
  const rootsFile = resolve(directory, roots);
  findUnusableFile(rootsFile, 'the roots', ['mayfly', 'log', 'submission', 'roots'], report);
  return {
    submission: {
      rootsFile,
      usages:
        usages === 'any'
          ? undefined
          : usages.map((usage) => (usage === 'code-signing' ? CODE_SIGNING : usage)),
      rateLimit:
        bucket === 'off'
          ? undefined
          : { perMinute: bucket['per-minute'], burst: bucket.burst ?? bucket['per-minute'] },
      maxInFlight: submission['max-in-flight'],
    },
  };
}

/** What the settings `ct-log-…` mean, with absolute paths below `directory`; undefined where certificates go to the own log. Reports what does not fit together. */
export function outsideLogConfigOf(
  values: Pick<MayflyValues, 'ct-log-url' | 'ct-log-public-key' | 'ct-log-tls-roots'>,
  directory: string,
  report: Report,
): OutsideLogConfig | undefined {
  const { 'ct-log-url': url, 'ct-log-public-key': key, 'ct-log-tls-roots': roots } = values;
  for (const name of ['ct-log-public-key', 'ct-log-tls-roots'] as const) {
    const file = values[name];
    if (file === undefined) continue;
    if (url === undefined)
      report.finding('NO_EFFECT', ['mayfly', name], 'has no effect: there is no ct-log-url');
    else findUnusableFile(resolve(directory, file), 'it', ['mayfly', name], report);
  }
  if (url === undefined) return undefined;
  if (key === undefined) {
    report.problem(
      ['mayfly', 'ct-log-url'],
      'needs ct-log-public-key',
      'Name the file with the public key of that log: nothing that it says is believed without.',
    );
    return undefined;
  }
  return {
    url: url.replace(/(?<!\/)\/+$/, ''),
    publicKeyFile: resolve(directory, key),
    ...(roots === undefined ? {} : { tlsRootsFile: resolve(directory, roots) }),
  };
}

function witnessOf({ witness }: LogValues, directory: string, report: Report): Pick<LogConfig, 'witness'> {
  if (witness === undefined) return {};
  const { policy, required, timeout } = witness;
  const policyFile = resolve(directory, policy);
  findUnusableFile(policyFile, 'the policy of its witnesses', ['mayfly', 'log', 'witness', 'policy'], report);
  return { witness: { policyFile, isRequired: required, timeoutMs: timeout * 1000 } };
}

/** Days of the shortest of each. */
const SHORTEST = { month: 28, quarter: 90, 'half-year': 181, year: 365 } as const;
const DAY = 86_400_000;

function shardsOf({ shards, store, submission }: LogValues, report: Report): Pick<LogConfig, 'shards'> {
  if (shards === undefined) return {};
  const here = [...AT, 'shards'];
  const { every, at = [], entries, lead, stage } = shards;
  if (every === undefined && at.length === 0 && entries === undefined)
    report.problem(here, 'does not say when', 'Give every, at or entries.');
  const leadMs = lead * 3_600_000;
  if (every !== undefined && leadMs >= SHORTEST[every] * DAY)
    report.problem([...here, 'lead'], `is not shorter than a ${every}`, 'Give a shorter one.');
  if (store !== undefined)
    report.problem(
      here,
      'goes with a log in files, and log.store is for several services',
      'Leave it out, and have one log follow another with `mayfly log rotate` while all of them are stopped.',
    );
  if (submission !== undefined)
    report.problem(
      here,
      'and log.submission exclude each other: other CAs hand in to one log, by its URL and key',
      'Leave shards out, and have one log follow another with `mayfly log rotate`, when the others know of it.',
    );
  const times = at.map((text) => Date.parse(text)).sort((a, b) => a - b);
  return { shards: { every, at: times, entries, leadMs, stagedBy: stage } };
}
