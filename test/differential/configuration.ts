/** The configuration that both programs read: the public-good templates, and an issuer of each type and provider. */
import { ciProviderYaml } from '../../config/presets/ci-provider-yaml.ts';
import { PRESETS } from '../../config/presets/all.ts';
import type { Preset } from '../../config/presets/preset.ts';
import type { CiProviderDefinition } from '../../oidc/core/issuer-definition.ts';
import { PUBLIC_GOOD } from '../support/public-good.ts';

/** Fulcio's keys of an entry, without URL and audience. */
export type EntryKeys = Readonly<Record<string, string | boolean>>;

const provider = (name: string): EntryKeys => ({ type: 'ci-provider', 'ci-provider': name });

/** Issuers by name: the path below which the suite's server is that issuer. */
export const ENTRIES: Readonly<Record<string, EntryKeys>> = {
  email: { type: 'email' },
  unverified: { type: 'email', 'skip-email-verification': true },
  dex: { type: 'email', 'issuer-claim': '$.federated_claims.connector_id' },
  bracket: { type: 'email', 'issuer-claim': '$["other.issuer"][0]' },
  uri: { type: 'uri', 'subject-domain': 'http://127.0.0.1' },
  username: { type: 'username', 'subject-domain': '127.0.0.1' },
  spiffe: { type: 'spiffe', 'spiffe-trust-domain': 'acme.org' },
  kubernetes: { type: 'kubernetes' },
  chainguard: { type: 'chainguard-identity' },
  'github-workflow': { type: 'github-workflow' },
  'gitlab-pipeline': { type: 'gitlab-pipeline' },
  'codefresh-workflow': { type: 'codefresh-workflow' },
  'buildkite-job': { type: 'buildkite-job' },
  github: provider('github-workflow'),
  gitlab: provider('gitlab-pipeline'),
  codefresh: provider('codefresh-workflow'),
  buildkite: provider('buildkite-job'),
  circleci: provider('circleci-job'),
  buddy: provider('buddy-pipeline'),
  terraform: provider('terraform'),
  odd: provider('odd'),
  'quiet/email': { type: 'email' },
  'liar/email': { type: 'email' },
  'down/email': { type: 'email' },
  'keyless/email': { type: 'email' },
};

/** Patterns that the paths of issuers fit, in Fulcio's public-good configuration and beyond. */
const PATTERNS: Readonly<Record<string, EntryKeys>> = {
  'eks/*': { type: 'kubernetes' },
  'aks/*/*': { type: 'kubernetes' },
  'aks/*/*/': { type: 'kubernetes' },
  'circle/org/*': provider('circleci-job'),
  'mail/*.*.example': { type: 'email' },
  'connected/*': { type: 'email', 'issuer-claim': '$.connector' },
};

const TERRAFORM: CiProviderDefinition = {
  name: 'terraform',
  defaults: new Map([['url', 'https://app.terraform.io/app']]),
  subjectTemplate: '{{ .url }}/{{ .terraform_organization_name }}/workspaces/{{ .terraform_workspace_name }}',
  extensionTemplates: new Map([
    [9, '{{ .url }}/{{ .terraform_organization_name }}/workspaces/{{ .terraform_workspace_name }}'],
    [15, 'terraform_workspace_id'],
    [17, 'terraform_organization_id'],
    [20, 'terraform_run_phase'],
    [21, 'terraform_run_id'],
  ]),
};

/** Templates of every construct that is understood, and names that few providers use. */
const ODD: CiProviderDefinition = {
  name: 'odd',
  defaults: new Map([
    ['host', 'https://odd.example'],
    ['optional', ''],
    ['flag', ''],
    ['deep', ''],
    ['value', ''],
    ['kind', 'default'],
    ['dotted.name/x', 'dotted'],
  ]),
  subjectTemplate: '{{ .host }}/{{- .path }}',
  extensionTemplates: new Map([
    [2, '{{ if eq .kind "a" "b" }}first{{ else if or .flag .optional }}second {{- else }} third {{- end }}'],
    [3, 'dotted.name/x'],
    [4, '{{ index . "absent" }}{{ index . `dotted.name/x` }}'],
    [5, '{{/* nothing */}}'],
    [6, '{{ and .kind .optional }}|{{ not .optional }}|{{ .kind | ne "default" }}'],
    [9, 'value'],
    [10, '<{{ .value }}>'],
    [11, '{{ if (and (ne .kind "") (or .optional (eq .kind "default"))) }}{{ .host }}{{ end }}'],
    [20, '{{ if .flag }}{{ eq (or .optional false) "x" }}{{ end }}'],
    [21, '{{ if .deep }}{{ .nowhere }}{{ end }}'],
    [23, 'optional'],
  ]),
};

/** Providers of presets that Fulcio has no templates for; a pinned value is a default there. */
const PRESET_PROVIDERS: readonly CiProviderDefinition[] = PRESETS.flatMap((preset) =>
  preset.provider === undefined ? [] : [withoutPins(preset, preset.provider)],
);

/** The name of the issuer that has a preset's templates; undefined where the preset's type has none. */
export const presetIssuer = (preset: string): string | undefined =>
  PRESETS.find(({ name, provider }) => name === preset && provider !== undefined) && `preset-${preset}`;

function withoutPins(preset: Preset, definition: CiProviderDefinition): CiProviderDefinition {
  const examples = new Map(preset.blanks.map(({ name, example }) => [name, example]));
  const text = JSON.stringify([...definition.defaults, ...(definition.pinned ?? [])]);
  const filled = text.replace(/%([a-z][a-z-]*)%/g, (mark, name: string) => examples.get(name) ?? mark);
  const defaults = new Map(JSON.parse(filled) as [string, string][]);
  return { ...definition, name: `preset-${preset.name}`, defaults, pinned: undefined };
}

/** The file: the public-good configuration, over plain HTTP for want of certificates, with the suite's own entries in
 * front. `url` returns an issuer's URL by its name. */
export function configuration(url: (name: string) => string): string {
  const entries = new Map(Object.entries(ENTRIES));
  for (const { name } of PRESET_PROVIDERS) entries.set(name, provider(name));
  const line = (name: string, entry: object): string =>
    `  ${JSON.stringify(url(name))}: ${JSON.stringify({ 'client-id': 'sigstore', ...entry })}\n`;
  const issuers = [...entries].map(([name, keys]) => line(name, { 'issuer-url': url(name), ...keys }));
  const patterns = Object.entries(PATTERNS).map(([name, keys]) => line(name, keys));
  const more = [TERRAFORM, ODD, ...PRESET_PROVIDERS].map((definition) => indent(ciProviderYaml(definition)));
  const plain = PUBLIC_GOOD.replace(/^( {2}| {4}issuer-url: )https:/gm, '$1http:');
  return `${plain.replace('oidc-issuers:\n', `$&${issuers.join('')}`).replace('meta-issuers:\n', `$&${patterns.join('')}`)}${more.join('')}`;
}

const indent = (text: string): string => `${text}\n`.replace(/^(?=.)/gm, '  ');
