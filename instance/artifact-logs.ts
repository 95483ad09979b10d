/** Which logs of artifacts a data directory has. */
import { join } from 'node:path';
import type { ArtifactApi } from '../rekor/log-identity.ts';
import { namesIn } from './data-directory.ts';
import type { DataPaths } from './data-paths.ts';

/** The paths of a log of artifacts, which has one key. */
export interface ArtifactLogPaths {
  /** The API of its clients, and after the first one its number: `v1`, `v1-2`, `v2`, … */
  readonly name: string;
  readonly api: ArtifactApi;
  /** Its place among the logs of its API, which follow each other: from 1 on. */
  readonly shard: number;
  readonly directory: string;
  readonly identity: string;
  readonly key: string;
  /** What is known of it while it is staged: then it has a key, and its directory is not there. */
  readonly staged: string;
}

/** The paths of a log for clients of that API; default: of the first one. */
export function artifactLogPaths(
  { artifacts, keys }: DataPaths,
  api: ArtifactApi,
  shard = 1,
): ArtifactLogPaths {
  const name = shard === 1 ? `v${api}` : `v${api}-${shard}`;
  const directory = join(artifacts, name);
  return {
    name,
    api,
    shard,
    directory,
    identity: join(directory, 'log.json'),
    key: join(keys, `artifacts-${name}.key.pem`),
    staged: join(artifacts, `${name}.next.json`),
  };
}

/** The logs that are there, of the first API first; of one API in the order in which they follow each other, the one in use last. Rejects with DataDirectoryError. */
export async function artifactLogsIn(paths: DataPaths): Promise<readonly ArtifactLogPaths[]> {
  const found = ((await namesIn(paths.artifacts)) ?? []).flatMap((name) => {
    const [, api, shard = '1'] = /^v([12])(?:-([2-9]|[1-9]\d{1,3}))?$/.exec(name) ?? [];
    return api === undefined ? [] : [artifactLogPaths(paths, Number(api) as ArtifactApi, Number(shard))];
  });
  return found.sort((a, b) => a.api - b.api || a.shard - b.shard);
}

/** The logs of one API: the one in use, and those before it, the oldest first. */
export interface ArtifactSuccession {
  readonly current: ArtifactLogPaths;
  readonly former: readonly ArtifactLogPaths[];
}

/** Those of that API; undefined where there is none. Rejects with DataDirectoryError. */
export async function artifactSuccession(
  paths: DataPaths,
  api: ArtifactApi,
): Promise<ArtifactSuccession | undefined> {
  const logs = (await artifactLogsIn(paths)).filter((log) => log.api === api);
  const current = logs.at(-1);
  return current && { current, former: logs.slice(0, -1) };
}
