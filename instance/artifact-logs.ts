/** Which logs of artifacts a data directory has. */
import { join } from 'node:path';
import type { ArtifactApi } from '../rekor/log-identity.ts';
import { namesIn } from './data-directory.ts';
import type { DataPaths } from './data-paths.ts';

/** The paths of a log of artifacts, which has one key. */
export interface ArtifactLogPaths {
  /** `v1` or `v2`: the API of its clients. */
  readonly name: string;
  readonly api: ArtifactApi;
  readonly directory: string;
  readonly identity: string;
  readonly key: string;
}

/** The paths of the log for clients of that API. */
export function artifactLogPaths({ artifacts, keys }: DataPaths, api: ArtifactApi): ArtifactLogPaths {
  const name = `v${api}`;
  const directory = join(artifacts, name);
  return {
    name,
    api,
    directory,
    identity: join(directory, 'log.json'),
    key: join(keys, `artifacts-${name}.key.pem`),
  };
}

/** The logs that are there, of the first API first. Rejects with DataDirectoryError. */
export async function artifactLogsIn(paths: DataPaths): Promise<readonly ArtifactLogPaths[]> {
  const names = (await namesIn(paths.artifacts)) ?? [];
  return ([1, 2] as const)
    .map((api) => artifactLogPaths(paths, api))
    .filter(({ name }) => names.includes(name));
}
