import { readFileSync } from 'node:fs';
import { parseConfig } from '../../config/load/load.ts';
import type { CiProviderDefinition, IssuerDefinition } from '../../oidc/core/issuer-definition.ts';
import { vectorPath } from './vectors.ts';

/** Fulcio's public-good configuration, as its main branch has it. */
export const PUBLIC_GOOD = readFileSync(vectorPath('fulcio-public-good.yaml'), 'utf8');

/** All issuers and patterns of {@link PUBLIC_GOOD}. */
export const publicGoodIssuers = (): readonly IssuerDefinition[] =>
  parseConfig(PUBLIC_GOOD).issuers.map(({ definition }) => definition);

/** The CI providers of {@link PUBLIC_GOOD}, by name. */
export function publicGoodProviders(): ReadonlyMap<string, CiProviderDefinition> {
  const providers = publicGoodIssuers().flatMap(({ ciProvider }) =>
    ciProvider === undefined ? [] : [ciProvider],
  );
  return new Map(providers.map((provider) => [provider.name, provider]));
}
