import { ConfigError } from '../../config/findings/config-error.ts';
import type { LoadedConfig } from '../../config/load/load.ts';
import { contentsOf, NO_FILE, type FileContent } from './file-contents.ts';

/** Reads and checks the configuration at a path; rejects with ConfigError, and with the reason of `signal` when that
 * is aborted. */
export type Load = (path: string, options: { readonly signal?: AbortSignal }) => Promise<LoadedConfig>;

/** A configuration and what its files held. */
export interface SettledConfig {
  readonly config: LoadedConfig;
  /** In the order of `config.files`. */
  readonly contents: readonly FileContent[];
}

/** Loads, and once more when the file changed meanwhile: one that is being written may look complete without being so,
 * and what is missing may be the rule that denies. No more than that: a file that changes all the time is loaded too.
 *
 * `contents` are never newer than what was loaded, so that the next look sees every change: the file itself is looked at
 * before, and those that it names are read again when the configuration is put to use. */
export async function loadSettled(path: string, load: Load, signal?: AbortSignal): Promise<SettledConfig> {
  const first = await loadOnce(path, load, signal);
  const [now] = await contentsOf([path]);
  return now?.digest === first.contents[0]?.digest ? first : loadOnce(path, load, signal);
}

async function loadOnce(path: string, load: Load, signal?: AbortSignal): Promise<SettledConfig> {
  const before = await contentsOf([path]);
  if (before[0]?.digest === NO_FILE) throw notAFile(path);
  const config = await load(path, signal === undefined ? {} : { signal });
  const [, ...named] = config.files;
  return { config, contents: [...before, ...(await contentsOf(named))] };
}

const notAFile = (path: string): ConfigError => {
  const message = 'is a pipe or a device';
  const hint = 'A service reads its configuration again and again: name a plain file.';
  return new ConfigError('CONFIG_UNREADABLE', path, [{ path: '', message, hint }]);
};
