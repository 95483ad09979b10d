import type { CiProviderDefinition } from '../../oidc/core/issuer-definition.ts';
import { EXTENSION_NUMBERS } from '../schema/fulcio-schema.ts';
import { quote } from '../yaml/yaml-text.ts';

/** A CI provider as it stands below `ci-issuer-metadata`. */
export function ciProviderYaml(provider: CiProviderDefinition): string {
  const { name, defaults, extensionTemplates, pinned = new Map<string, string>() } = provider;
  const templates = [...EXTENSION_NUMBERS].flatMap(([key, number]) => {
    const template = extensionTemplates.get(number);
    return template === undefined ? [] : [`    ${key}: ${quote(template)}`];
  });
  return [
    `${name}:`,
    ...(defaults.size === 0 ? [] : ['  default-template-values:', ...values(4, defaults)]),
    '  extension-templates:',
    ...templates,
    `  subject-alternative-name-template: ${quote(provider.subjectTemplate)}`,
    ...(pinned.size === 0 ? [] : ['  mayfly:', '    pinned:', ...values(6, pinned)]),
  ].join('\n');
}

const values = (indent: number, map: ReadonlyMap<string, string>): string[] =>
  [...map].map(([name, value]) => `${' '.repeat(indent)}${quoteKey(name)}: ${quote(value)}`);

const quoteKey = (name: string): string => (/^[A-Za-z_][\w-]*$/.test(name) ? name : quote(name));
