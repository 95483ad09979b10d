import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import type { CiProviderDefinition, IssuerDefinition } from '../oidc/issuer-definition.ts';
import { ConfigError, describe } from './config-error.ts';
import { MAX_LENGTH, readDocument } from './document.ts';
import { ciProviderSchema, issuerSchema } from './fulcio-schema.ts';
import { checkType, ciProviderOf, issuerOf, type CiProviders } from './issuers.ts';
import { mayflyConfigOf, type MayflyConfig } from './mayfly-config.ts';
import { mayflySchema } from './mayfly-schema.ts';
import { check } from './schema-issues.ts';
import { configSchema } from './schema.ts';
import { Shaper } from './shape.ts';

/** What a configuration file says, ready to be handed down. */
export interface LoadedConfig {
  /** In the order of the file. Empty: no certificate can be issued. */
  readonly issuers: readonly IssuerDefinition[];
  readonly mayfly: MayflyConfig;
  /** What works but should be known: one line each, `file:line:column: key: sentence. Advice.` */
  readonly warnings: readonly string[];
}

/** Reads and checks the configuration file at `path`. Throws {@link ConfigError}, and nothing else, with everything
 * that is wrong. Relative paths inside start at the file's directory. */
export async function loadConfig(path: string): Promise<LoadedConfig> {
  return parseConfig(await readText(path), { file: path, directory: dirname(resolve(path)) });
}

/** What {@link parseConfig} may be told. */
export interface ParseOptions {
  /** The name that messages give the text. */
  readonly file?: string | undefined;
  /** Where relative paths start; default: the current directory. */
  readonly directory?: string | undefined;
}

/** Checks a configuration text, YAML or JSON. Throws {@link ConfigError}, and nothing else. */
export function parseConfig(text: string, options: ParseOptions = {}): LoadedConfig {
  const file = options.file ?? 'config.yaml';
  const root = readDocument(text, file);
  const shaper = new Shaper();
  if (root.kind !== 'map') {
    const message = 'must be a map of keys such as "oidc-issuers"';
    throw new ConfigError('CONFIG_INVALID', file, [{ path: '', ...root.position, message }]);
  }
  const shaped = shaper.shape(root, configSchema, []) as Readonly<Record<string, unknown>>;
  refuseMetaIssuers(shaped, shaper);
  const issuers = issuersOf(shaped, providersOf(shaped, shaper), shaper);
  if (issuers.length === 0)
    shaper.warning(['oidc-issuers'], 'no issuer is configured, so no certificate can be issued');
  const mayfly = check(mayflySchema, shaped['mayfly'] ?? {}, ['mayfly'], shaper);
  const values = mayfly && mayflyConfigOf(mayfly, options.directory ?? '.', shaper);
  if (values === undefined || shaper.problems.length > 0)
    throw new ConfigError('CONFIG_INVALID', file, shaper.problems);
  const warnings = shaper.warnings.map(
    (warning) => `${describe(file, warning)}${warning.hint === undefined ? '' : `. ${warning.hint}`}`,
  );
  return { issuers, mayfly: values, warnings };
}

type Shaped = Readonly<Record<string, unknown>>;

/** The entries of a map at the top; a report and nothing if it is no map. */
function entriesOf(shaped: Shaped, key: string, shaper: Shaper): [string, unknown][] {
  const section = shaped[key] ?? {};
  if (typeof section === 'object' && !Array.isArray(section)) return Object.entries(section);
  shaper.problem([key], 'must be a map of keys');
  return [];
}

function providersOf(shaped: Shaped, shaper: Shaper): CiProviders {
  const providers = new Map<string, CiProviderDefinition | undefined>();
  for (const [name, value] of entriesOf(shaped, 'ci-issuer-metadata', shaper)) {
    const entry = check(ciProviderSchema, value, ['ci-issuer-metadata', name], shaper);
    providers.set(name, entry && ciProviderOf(name, entry, shaper));
  }
  return providers;
}

function issuersOf(shaped: Shaped, providers: CiProviders, shaper: Shaper): IssuerDefinition[] {
  const issuers: IssuerDefinition[] = [];
  for (const [key, value] of entriesOf(shaped, 'oidc-issuers', shaper)) {
    checkType(key, value, shaper);
    const entry = check(issuerSchema, value, ['oidc-issuers', key], shaper);
    const issuer = entry && issuerOf(key, entry, providers, shaper);
    if (issuer !== undefined) issuers.push(issuer);
  }
  return issuers;
}

function refuseMetaIssuers(shaped: Shaped, shaper: Shaper): void {
  for (const [pattern] of entriesOf(shaped, 'meta-issuers', shaper)) {
    const hint = 'Name each issuer exactly under oidc-issuers.';
    shaper.problem(
      ['meta-issuers', pattern],
      'meta-issuers (issuer URLs with "*") are not supported by this version',
      hint,
    );
  }
}

async function readText(path: string): Promise<string> {
  const unreadable = (message: string, hint: string, cause?: unknown): ConfigError =>
    new ConfigError('CONFIG_UNREADABLE', path, [{ path: '', message, hint }], cause);
  try {
    // The size is looked at first, so that a wrong path (a disk image, a device) is not read into memory.
    const { size } = await stat(path);
    if (size > MAX_LENGTH * 4)
      throw unreadable(`is larger than ${MAX_LENGTH * 4} bytes`, 'Is this the right file?');
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path));
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const { code = '' } = error as NodeJS.ErrnoException;
    const [message, hint] = READ_FAULTS[code] ?? [
      'cannot be read',
      `The system says: ${(error as Error).message}`,
    ];
    throw unreadable(message, hint.replace('FILE', basename(path)), error);
  }
}

const READ_FAULTS: Readonly<Record<string, readonly [message: string, hint: string]>> = {
  ENOENT: ['does not exist', 'Check the path; `mayfly init` writes a commented one.'],
  EACCES: ['may not be read by this user', 'Check the owner and mode of the file and its directories.'],
  EISDIR: ['is a directory', 'Name the file inside it, e.g. config.yaml.'],
  ERR_ENCODING_INVALID_ENCODED_DATA: ['is not UTF-8 text', 'Save it as UTF-8.'],
};
