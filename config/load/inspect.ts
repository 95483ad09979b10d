import { dirname, resolve } from 'node:path';
import type { CiProviderDefinition } from '../../oidc/core/issuer-definition.ts';
import type { ConfiguredIssuer } from '../../policy/issuer-policy-definition.ts';
import { ciProviderOf, type CiProviders } from '../issuers/ci-providers.ts';
import { ConfigError, type ConfigProblem } from '../findings/config-error.ts';
import { readDocument } from '../yaml/document.ts';
import { issuerBlocksOf, membersOf, type Shaped } from '../issuers/issuer-blocks.ts';
import type { ConfigFinding } from '../findings/findings.ts';
import { ciProviderSchema } from '../schema/fulcio-schema.ts';
import { mayflyConfigOf, type MayflyConfig } from '../settings/mayfly-config.ts';
import { mayflySchema } from '../schema/mayfly-schema.ts';
import { readConfigFile } from './read-file.ts';
import { Report } from '../findings/report.ts';
import { check } from '../schema/schema-issues.ts';
import { configSchema } from '../schema/config-schema.ts';
import { Shaper } from '../schema/shape.ts';
import { wrappedFile } from './wrapped-file.ts';

/** What a configuration means, and everything that is to be said of it. */
export interface Inspection {
  /** What keeps it from being used, in the order of the file. */
  readonly problems: readonly ConfigProblem[];
  /** What works but should be known, in the order of the file. */
  readonly findings: readonly ConfigFinding[];
  /** The issuers and meta issuers, in the order of the file; those that are wrong are left out. */
  readonly issuers: readonly ConfiguredIssuer[];
  readonly mayfly: MayflyConfig;
}

/** {@link inspectText} of the file at `path`. */
export const inspectFile = async (path: string): Promise<Inspection> =>
  inspectText(await readConfigFile(path), path, dirname(resolve(path)));

/** Reads a configuration text, YAML or JSON, and says everything that is to be said of it. Throws {@link ConfigError}
 * if it has no structure at all, and nothing else. */
export function inspectText(text: string, file: string, directory: string): Inspection {
  const root = readDocument(text, file);
  const report = new Report();
  if (root.kind !== 'map') {
    const message = 'must be a map of keys such as "oidc-issuers"';
    throw new ConfigError('CONFIG_INVALID', file, [{ path: '', ...root.position, message }]);
  }
  const wrapped = wrappedFile(root);
  if (wrapped !== undefined) throw new ConfigError('CONFIG_INVALID', file, [wrapped]);
  const shaped = new Shaper(report).shape(root, configSchema, []) as Shaped;
  const mayfly = mayflyOf(shaped, directory, report);
  const providers = providersOf(shaped, report);
  const issuers = issuerBlocksOf(shaped, { providers, mayfly, directory, report });
  if (issuers.length === 0 && report.problems.length === 0)
    report.finding('NO_ISSUER', ['oidc-issuers'], 'no issuer is configured, so no certificate can be issued');
  return { problems: inOrder(report.problems), findings: inOrder(report.findings), issuers, mayfly };
}

/** The global block; where it is wrong, what holds without one, so that the rest can be judged too. */
function mayflyOf(shaped: Shaped, directory: string, report: Report): MayflyConfig {
  const values = check(mayflySchema, shaped['mayfly'] ?? {}, ['mayfly'], report);
  return mayflyConfigOf(values ?? mayflySchema.parse({}), directory, report);
}

function providersOf(shaped: Shaped, report: Report): CiProviders {
  const providers = new Map<string, CiProviderDefinition | undefined>();
  for (const [name, value] of membersOf(shaped, 'ci-issuer-metadata', report)) {
    const values = check(ciProviderSchema, value, ['ci-issuer-metadata', name], report);
    providers.set(name, values && ciProviderOf(name, values, report));
  }
  return providers;
}

const inOrder = <T extends ConfigProblem>(problems: readonly T[]): readonly T[] =>
  [...problems].sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
