/** The keys that the configuration of a data directory names, for commands. A configuration that lies elsewhere is not seen. */
import { loadConfig, type LoadedConfig } from '../../config/load/load.ts';
import type { DataPaths } from '../../instance/data-paths.ts';
import { OpenedKeys, type KeyPlace, type KeySettings } from '../../instance/opened-keys.ts';
import { isMissing } from '../../storage/read-whole.ts';
import { CommandError } from './command.ts';

/** Runs `work` with the keys of the directory, wherever they are, and lets go of them afterwards. Rejects with ConfigError, and with what `work` rejects with. */
export async function withNamedKeys<T>(
  paths: Pick<DataPaths, 'config'>,
  passphrase: string | undefined,
  work: (keys: OpenedKeys) => Promise<T>,
): Promise<T> {
  const settings = await settingsOf(paths);
  const keys = new OpenedKeys({
    ...(settings === undefined ? {} : { settings, ...limitsOf(settings) }),
    passphrase,
  });
  try {
    return await work(keys);
  } finally {
    await keys.close();
  }
}

/** Rejects with {@link CommandError} where the configuration names another key than the file of one of these: the service would not use what is put there. Before anything is changed. Rejects with ConfigError, too. */
export async function requireKeyFiles(
  paths: Pick<DataPaths, 'config'>,
  files: readonly KeyPlace[],
): Promise<void> {
  const settings = await settingsOf(paths);
  const named = settings === undefined ? undefined : namedKeys(settings);
  for (const { setting, reference } of files) {
    const other = named?.get(setting);
    if (other === undefined || other === reference) continue;
    throw new CommandError(
      'REFUSED',
      `mayfly.keys.${setting} names another key than ${reference}, and this command works with that file alone`,
      { hint: MEANWHILE },
    );
  }
}

const MEANWHILE =
  'Nothing was changed, and the service goes on with the key that is named. This version makes and replaces keys of the CA, of timestamps and of logs of artifacts in files only: ' +
  'docs/signers.md, "Change a key that is elsewhere", says what can be done.';

type KeysConfig = LoadedConfig['mayfly']['keys'];

const settingsOf = async ({ config }: Pick<DataPaths, 'config'>): Promise<KeysConfig | undefined> =>
  (await isMissing(config)) ? undefined : (await loadConfig(config)).mayfly.keys;

const limitsOf = ({ timeoutMs, maxInFlight }: KeysConfig) => ({ timeoutMs, maxInFlight });

/** By the names of their settings. */
const namedKeys = (settings: KeySettings): ReadonlyMap<string, string | undefined> =>
  new Map([
    ['ca', settings.ca],
    ['ca-next', settings.caNext],
    ['timestamps', settings.timestamps],
    ['timestamps-next', settings.timestampsNext],
    ...Object.entries(settings.artifactLogs).map(([name, key]): [string, string] => [
      `artifact-logs.${name}`,
      key,
    ]),
  ]);
