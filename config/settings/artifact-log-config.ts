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
}

const AT = ['mayfly', 'artifact-log'] as const;

/** What the values mean, with absolute paths; reports and warns of what does not fit together. */
export function artifactLogConfigOf(
  values: ArtifactLogValues,
  directory: string,
  report: Report,
): ArtifactLogConfig {
  const { v1, v2, admission, duplicates, 'rate-limit': bucket } = values;
  checkClients(values, report);
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
  };
}

const rateLimitOf = (bucket: ArtifactLogValues['rate-limit']): RateLimit | undefined =>
  bucket === 'off'
    ? undefined
    : { perMinute: bucket['per-minute'], burst: bucket.burst ?? bucket['per-minute'] };

/** Each once, the first API first. */
const clientsOf = (clients: readonly ('v1' | 'v2')[]): (1 | 2)[] =>
  ([1, 2] as const).filter((api) => clients.includes(`v${api}`));

function checkClients(values: ArtifactLogValues, report: Report): void {
  for (const name of new Set(values.clients ?? []))
    if (!values[name])
      report.problem(
        [...AT, 'clients'],
        `names ${name}, which is switched off beside it`,
        `Clients would be given a log that is not served. Set artifact-log.${name} to true, or take it out here.`,
      );
}
