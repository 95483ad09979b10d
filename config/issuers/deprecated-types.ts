import type { IssuerDefinition } from '../../oidc/core/issuer-definition.ts';
import { ISSUER_TYPE_TABLE } from '../../oidc/types/issuer-types.ts';
import { ciProviderYaml } from '../presets/ci-provider-yaml.ts';
import { PRESETS } from '../presets/all.ts';
import type { Path, Report } from '../findings/report.ts';
import { indented } from '../yaml/yaml-text.ts';

/** Finds a type that Fulcio has deprecated, with what to write in its place. The certificates stay the same in name and
 * extensions, or gain extensions. */
export function findDeprecatedType(definition: IssuerDefinition, path: Path, report: Report): void {
  const { type } = definition;
  const { replacement } = ISSUER_TYPE_TABLE[type];
  if (replacement === undefined) return;
  report.finding('DEPRECATED_TYPE', [...path, 'type'], `the type "${type}" is deprecated`, {
    hint: `Use type ${replacement}, whose templates can be changed without a new version:`,
    replacement: replacementOf(definition),
  });
}

/** The keys that change in the issuer block, and the templates. The preset's provider is called as the type was. */
function replacementOf({ type, url, isMeta }: IssuerDefinition): string | undefined {
  const provider = PRESETS.find((preset) => preset.provider?.name === type)?.provider;
  if (provider === undefined) return undefined;
  return [
    `${isMeta ? 'meta-issuers' : 'oidc-issuers'}:`,
    `  ${JSON.stringify(url)}:`,
    '    type: ci-provider',
    `    ci-provider: ${provider.name}`,
    'ci-issuer-metadata:',
    indented(2, ciProviderYaml(provider)),
  ].join('\n');
}
