import { resolve } from 'node:path';
import type { RateLimit } from '../../policy/issuer-policy-definition.ts';
import type { ArtifactLogValues } from '../schema/artifact-log-schema.ts';
import type { Report } from '../findings/report.ts';
import { findUnusableFile } from './file-checks.ts';

/** What stands under `mayfly.artifact-log`. */
export interface ArtifactLogConfig {
  /** Whether the log for clients of that API is served, where there is one. */
  readonly v1: boolean;
  readonly v2: boolean;
  /** The APIs that clients are given to sign with; undefined: the first one that there is. */
  readonly clients?: readonly (1 | 2)[] | undefined;
  readonly admission: 'own-certificates' | 'any';
  /** Absolute paths of PEM files. */
  readonly keyFiles: readonly string[];
  readonly duplicates: 'return' | 'refuse';
  /** For each client; undefined: none. */
  readonly rateLimit?: RateLimit | undefined;
  /** The same for reads through the first API and searches over all logs, together. */
  readonly readRateLimit?: RateLimit | undefined;
}

const AT = ['mayfly', 'artifact-log'] as const;

/** What else the section is read with. */
interface ArtifactLogSurroundings {
  /** The directory of the file. */
  readonly directory: string;
  readonly grantsTimestamps: boolean;
}

/** What the values mean, with absolute paths; reports and warns of what does not fit together. */
export function artifactLogConfigOf(
  values: ArtifactLogValues,
  { directory, grantsTimestamps }: ArtifactLogSurroundings,
  report: Report,
): ArtifactLogConfig {
  const { v1, v2, admission, duplicates, 'rate-limit': bucket, 'read-rate-limit': reads } = values;
  checkClients(values, grantsTimestamps, report);
  const keyFiles = values.keys.map((file) => resolve(directory, file));
  if (admission === 'any' && keyFiles.length > 0)
    report.finding('NO_EFFECT', [...AT, 'keys'], 'has no effect: admission is "any"');
  else
    keyFiles.forEach((file, index) => {
      findUnusableFile(file, 'this key', [...AT, 'keys', index], report);
    });
  return {
    v1,
    v2,
    ...(values.clients === undefined ? {} : { clients: clientsOf(values.clients) }),
    admission,
    keyFiles,
    duplicates,
    rateLimit: rateLimitOf(bucket),
    readRateLimit: rateLimitOf(reads),
  };
}

const rateLimitOf = (bucket: ArtifactLogValues['rate-limit']): RateLimit | undefined =>
  bucket === 'off'
    ? undefined
    : { perMinute: bucket['per-minute'], burst: bucket.burst ?? bucket['per-minute'] };

/** Each once, the first API first. */
const clientsOf = (clients: readonly ('v1' | 'v2')[]): (1 | 2)[] =>
  ([1, 2] as const).filter((api) => clients.includes(`v${api}`));

function checkClients(values: ArtifactLogValues, grantsTimestamps: boolean, report: Report): void {
  for (const name of new Set(values.clients ?? []))
    if (!values[name])
      report.problem(
        [...AT, 'clients'],
        `names ${name}, which is switched off beside it`,
        `Clients would be given a log that is not served. Set artifact-log.${name} to true, or take it out here.`,
      );
  if (values.clients?.includes('v2') === true && !grantsTimestamps)
    report.problem(
      [...AT, 'clients'],
      'names v2, whose entries have no time, and timestamps are switched off',
      'Nobody could verify what clients sign with certificates. Set timestamps.enabled to true, or name v1 alone.',
    );
  if (values.clients === undefined && !values.v1 && !(values.v2 && grantsTimestamps))
    report.finding('NO_ARTIFACT_LOG', AT, 'leaves clients without a log of artifacts', {
      hint: values.v2
        ? 'Entries of v2 have no time, and timestamps are switched off. Where the logs are trusted, verifiers refuse what has no entry.'
        : 'Where the directory has such logs, they stay trusted, and verifiers refuse what has no entry unless they pass --min-entries 0.',
    });
}
