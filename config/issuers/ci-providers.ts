import { nearest } from '../../core/nearest.ts';
import { DefinitionError } from '../../oidc/core/definition-error.ts';
import type { CiProviderDefinition } from '../../oidc/core/issuer-definition.ts';
import { compileTemplate } from '../../oidc/template/template.ts';
import { EXTENSION_NUMBERS, type CiProviderValues } from '../schema/fulcio-schema.ts';
import type { Path, Report } from '../findings/report.ts';

/** CI providers by name; undefined for one that is wrong and was reported already. */
export type CiProviders = ReadonlyMap<string, CiProviderDefinition | undefined>;

/** The definition of a provider of `ci-issuer-metadata`; reports what is wrong with its templates. */
export function ciProviderOf(name: string, values: CiProviderValues, report: Report): CiProviderDefinition {
  const path = ['ci-issuer-metadata', name];
  const templates = new Map<number, string>();
  for (const [key, number] of EXTENSION_NUMBERS) {
    const template =
      (values['extension-templates'] as Readonly<Record<string, string | undefined>>)[key] ?? '';
    if (template.trim() === '') continue;
    templates.set(number, template);
    checkTemplate(template, [...path, 'extension-templates', key], report);
  }
  const subjectTemplate = values['subject-alternative-name-template'];
  checkSubject(subjectTemplate, [...path, 'subject-alternative-name-template'], report);
  const defaults = new Map(Object.entries(values['default-template-values']));
  const definition = { name, defaults, extensionTemplates: templates, subjectTemplate };
  const pinned = new Map(Object.entries(values.mayfly.pinned));
  return pinned.size === 0 ? definition : { ...definition, pinned };
}

function checkSubject(template: string, path: Path, report: Report): void {
  checkTemplate(template, path, report);
  if (template.trim() === '')
    report.problem(
      path,
      'SubjectAlternativeNameTemplate should not be empty',
      'Without it the certificate would have no name.',
    );
}

/** Reports a template that cannot be compiled, at the place in the file that its line and column mean. */
function checkTemplate(text: string, path: Path, report: Report): void {
  try {
    compileTemplate(text);
  } catch (error) {
    if (!(error instanceof DefinitionError)) throw error;
    const [line, column] = [Number(error.metadata['line'] ?? 1), Number(error.metadata['column'] ?? 1)];
    report.problemInside(path, line, column, error.message, error.hint);
  }
}

/** The provider that a block of type ci-provider names; reports one that is not there. */
export function ciProviderNamed(
  name: string,
  { path, key }: { readonly path: Path; readonly key: string },
  providers: CiProviders,
  report: Report,
): CiProviderDefinition | undefined {
  if (providers.has(name)) return providers.get(name);
  const near = nearest(name, [...providers.keys()]);
  const known =
    providers.size === 0
      ? 'there is none. If it is there with a "#" before each line, take those off too; docs/configuration.md has one for GitHub'
      : `there are ${[...providers.keys()].join(', ')}`;
  report.problem(
    [...path, 'ci-provider'],
    name === '' ? 'is missing' : `metadata not found for ci provider ${name}, issuer: ${key}`,
    near === undefined ? `It names a provider of ci-issuer-metadata; ${known}.` : `Did you mean "${near}"?`,
  );
  return undefined;
}
