/** Whether what the configuration says of keys is of anything: a slip in a name would leave a key file signing that the operator believes unused. */
import type { LoadedConfig } from '../config/load/load.ts';
import { artifactLogPaths, artifactLogsIn } from '../instance/artifact-logs.ts';
import type { DataDirectory } from '../instance/data-directory.ts';
import { DataDirectoryError } from '../instance/data-directory-error.ts';
import { certificateLogPaths, type DataPaths } from '../instance/data-paths.ts';
import type { KeyPlace } from '../instance/opened-keys.ts';
import { isMissing } from '../storage/read-whole.ts';

/** What should be known of the keys that the configuration names, a sentence each. Rejects with DataDirectoryError `DIRECTORY_LOG` for a name under `logs` or `artifact-logs` that no log of the directory has. */
export async function checkNamedKeys(
  { paths, logNames }: Pick<DataDirectory, 'paths' | 'logNames'>,
  { mayfly }: Pick<LoadedConfig, 'mayfly'>,
): Promise<readonly string[]> {
  const { logs, artifactLogs } = mayfly.keys;
  requireNames('logs', Object.keys(logs), logNames);
  requireNames('artifact-logs', Object.keys(artifactLogs), await artifactLogNames(paths));
  return [...(await leftFiles(paths, mayfly.keys)), ...(await unusedSettings(paths, mayfly))];
}

function requireNames(setting: string, named: readonly string[], there: readonly string[]): void {
  const unknown = named.find((name) => !there.includes(name));
  if (unknown === undefined) return;
  throw new DataDirectoryError(
    'DIRECTORY_LOG',
    `mayfly.keys.${setting} names ${JSON.stringify(unknown)}, and there is no such log`,
    {
      hint: `Give the name of one that is there, or leave it out: ${there.length === 0 ? 'there is none' : there.join(', ')}.`,
    },
  );
}

/** Those that are there, and those that may follow them. */
async function artifactLogNames(paths: DataPaths): Promise<readonly string[]> {
  const logs = await artifactLogsIn(paths);
  const next = logs.map(({ api, shard }) => artifactLogPaths(paths, api, shard + 1).name);
  return [...new Set([...logs.map(({ name }) => name), ...next])];
}

type Keys = LoadedConfig['mayfly']['keys'];

/** Key files that nothing opens, as their settings name other keys. */
async function leftFiles(paths: DataPaths, keys: Keys): Promise<readonly string[]> {
  const sentences: string[] = [];
  for (const { setting, file, reference } of namedKeys(paths, keys))
    if (reference !== file && !(await isMissing(file)))
      sentences.push(
        `${file} is not used, as mayfly.keys.${setting} names another key: when that one signs, move the file to where backups of keys are`,
      );
  return sentences;
}

function namedKeys(paths: DataPaths, keys: Keys): readonly (KeyPlace & { readonly file: string })[] {
  const logs = Object.entries(keys.logs).flatMap(([name, { ecdsa, ed25519 }]) => {
    const { ecdsaKey, ed25519Key } = certificateLogPaths(paths, name);
    return [
      { setting: `logs.${name}.ecdsa`, file: ecdsaKey, reference: ecdsa },
      { setting: `logs.${name}.ed25519`, file: ed25519Key, reference: ed25519 },
    ];
  });
  const artifacts = Object.entries(keys.artifactLogs).flatMap(([name, reference]) => {
    const [, api = '1', shard = '1'] = /^v([12])(?:-(\d+))?$/.exec(name) ?? [];
    const { key } = artifactLogPaths(paths, api === '1' ? 1 : 2, Number(shard));
    return [{ setting: `artifact-logs.${name}`, file: key, reference }];
  });
  return [
    { setting: 'ca', file: paths.intermediateKey, reference: keys.ca },
    { setting: 'timestamps', file: paths.timestampKey, reference: keys.timestamps },
    ...logs,
    ...artifacts,
  ].flatMap(({ reference, ...place }) => (reference === undefined ? [] : [{ ...place, reference }]));
}

/** Names of keys that sign nothing, because what they are for is turned off or was never made. */
async function unusedSettings(
  { timestampChain }: DataPaths,
  { keys, timestamps, artifactLog }: LoadedConfig['mayfly'],
): Promise<readonly string[]> {
  const isGranting = timestamps.enabled && !(await isMissing(timestampChain));
  return [
    ...(keys.timestamps === undefined || isGranting ? [] : ['timestamps']),
    ...Object.keys(keys.artifactLogs)
      .filter((name) => !artifactLog[name.startsWith('v1') ? 'v1' : 'v2'])
      .map((name) => `artifact-logs.${name}`),
  ].map(
    (setting) =>
      `mayfly.keys.${setting} names a key that signs nothing: this service does not have what it is for`,
  );
}
