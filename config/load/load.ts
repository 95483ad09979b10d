import { dirname, resolve } from 'node:path';
import { ConfigError } from '../findings/config-error.ts';
import { inspectText, type Inspection } from './inspect.ts';
import type { MayflyConfig } from '../settings/mayfly-config.ts';
import { readConfigFile } from './read-file.ts';

/** What a configuration file says: plain data, which can be sent to another process. Without issuers no certificate can
 * be issued. */
export interface LoadedConfig extends Omit<Inspection, 'problems'> {
  /** Absolute paths of every file whose change changes what is configured: the file itself first, then those that it
   * names. */
  readonly files: readonly string[];
}

/** Reads and checks the configuration file at `path`. Throws {@link ConfigError}, and nothing else, with everything
 * that is wrong. Relative paths inside start at the file's directory. */
export async function loadConfig(path: string): Promise<LoadedConfig> {
  const text = await readConfigFile(path);
  const absolute = resolve(path);
  const loaded = parseConfig(text, { file: path, directory: dirname(absolute) });
  return { ...loaded, files: [absolute, ...loaded.files] };
}

/** Where a text comes from. */
interface ParseOptions {
  /** The name of the text in messages. */
  readonly file?: string | undefined;
  /** Where relative paths start; default: the current directory. */
  readonly directory?: string | undefined;
}

/** Checks a configuration text, YAML or JSON; `files` are then those that it names. Throws {@link ConfigError}, and
 * nothing else. */
export function parseConfig(text: string, options: ParseOptions = {}): LoadedConfig {
  const file = options.file ?? 'config.yaml';
  const { problems, findings, issuers, mayfly } = inspectText(text, file, options.directory ?? '.');
  if (problems.length > 0) throw new ConfigError('CONFIG_INVALID', file, problems);
  return { issuers, mayfly, findings, files: filesIn(issuers, mayfly) };
}

function filesIn(issuers: Inspection['issuers'], mayfly: MayflyConfig): string[] {
  const keyFiles = issuers.flatMap(({ definition: { staticKeys, caCertFile } }) => [
    staticKeys?.kind === 'file' ? staticKeys.path : undefined,
    caCertFile,
  ]);
  const others = [...keyFiles, mayfly.logAccessTokenFile, mayfly.audit?.syslog?.caFile];
  return [...new Set(others.filter((path) => path !== undefined))];
}
