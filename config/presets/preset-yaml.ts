import { ciProviderYaml } from './ci-provider-yaml.ts';
import { indented, prose, quote } from '../yaml/yaml-text.ts';
import { unsetValue, type BlankValues, type Preset, type PresetRule } from './preset.ts';

/** Fills the blanks in a text. */
type Fill = (text: string) => string;

/**
 * The commented block of a preset: `oidc-issuers` with one issuer block, and `ci-issuer-metadata` where the type needs it.
 * `values` hold what the operator knows, always `audience`; they are put in as they are, so {@link isBlankValue} has to
 * hold for each. What is missing stays marked, and a rule with a mark matches nobody.
 */
export function presetYaml(preset: Preset, values: BlankValues): string {
  const fill = fillerOf(preset, values);
  const { provider } = blockOf({ preset, values });
  return [
    ...heading(preset, values, fill),
    'oidc-issuers:',
    indented(2, issuerBlockYaml(preset, fill)),
    ...(provider === undefined
      ? []
      : [prose(0, TEMPLATES), 'ci-issuer-metadata:', indented(2, provider.yaml)]),
    '',
  ].join('\n');
}

/** A preset, and what is known for its blanks: always `audience`. */
export interface FilledPreset {
  readonly preset: Preset;
  readonly values: BlankValues;
}

/** The parts of a preset's block, each to stand below its own key of the file. */
export interface PresetBlock {
  readonly issuer: string;
  /** The issuer block with what is to be known of it as comment above. */
  readonly issuerBlock: string;
  readonly provider?: { readonly name: string; readonly yaml: string } | undefined;
}

/** What {@link presetYaml} puts into one block, in parts. */
export function blockOf({ preset, values }: FilledPreset): PresetBlock {
  const fill = fillerOf(preset, values);
  const issuerBlock = [...heading(preset, values, fill), issuerBlockYaml(preset, fill)].join('\n');
  return { issuer: fill(preset.issuer), issuerBlock, provider: providerOf(preset, fill) };
}

/** The block of several presets: a whole file, but for what is still to be filled in. */
export function presetsYaml(presets: readonly FilledPreset[]): string {
  const blocks = presets.map(blockOf);
  const issuerBlocks = blocks.map(({ issuerBlock }) => indented(2, issuerBlock));
  const providers = blocks.flatMap(({ provider }) => (provider === undefined ? [] : [provider.yaml]));
  const templates =
    providers.length === 0
      ? []
      : [prose(0, TEMPLATES), 'ci-issuer-metadata:', ...providers.map((yaml) => indented(2, yaml))];
  return ['oidc-issuers:', ...issuerBlocks, ...templates, ''].join('\n');
}

/** Whether a value can stand in a URL, in a text of a rule and in YAML without being anything else there. */
export const isBlankValue = (value: string): boolean => /^[\w.~:/@+-]{1,256}$/.test(value);

/** Fills the blanks of a preset's texts: with what is given, else with their marks. */
export function fillerOf(preset: Preset, given: BlankValues): Fill {
  const values = new Map(preset.blanks.map((blank) => [blank.name, unsetValue(blank)]));
  for (const [name, value] of given) values.set(name, value);
  for (const [name, derive] of Object.entries(preset.derived ?? {})) values.set(name, derive(values));
  return (text) => text.replace(/%([a-z][a-z-]*)%/g, (mark, name: string) => values.get(name) ?? mark);
}

function heading(preset: Preset, values: BlankValues, fill: Fill): string[] {
  const open = preset.blanks.filter(({ name }) => !values.has(name));
  return [
    prose(0, `${preset.title}. ${preset.about.join(' ')}`),
    '#',
    prose(0, `To get a token: ${fill(preset.token)}`),
    ...(open.length === 0 ? [] : ['#', prose(0, TO_FILL_IN)]),
    ...open.map((blank) => prose(0, `- ${unsetValue(blank)}: ${blank.about}`)),
  ];
}

const TO_FILL_IN = 'Still to be filled in; until then nobody gets a certificate by this:';

function issuerBlockYaml(preset: Preset, fill: Fill): string {
  const issuer = fill(preset.issuer);
  const audiences = (preset.audiences ?? ['%audience%']).map(fill);
  return [
    `${issuer}:`,
    `  issuer-url: ${issuer}`,
    ...(preset.audiences === undefined ? [prose(2, OWN_AUDIENCE)] : []),
    `  client-id: ${audiences.length === 1 ? quote(audiences[0] ?? '') : `[${audiences.map(quote).join(', ')}]`}`,
    `  type: ${preset.type}`,
    ...(preset.provider === undefined ? [] : [`  ci-provider: ${preset.provider.name}`]),
    ...Object.entries(preset.fields ?? {}).map(([key, value]) => `  ${key}: ${quote(fill(value))}`),
    '  mayfly:',
    `    name: ${preset.name}`,
    prose(4, 'What rules can use:'),
    ...preset.claims.map(([claim, meaning]) => prose(4, `- ${claim}: ${meaning}`)),
    '    rules:',
    ...preset.rules.map((rule) => indented(6, ruleYaml(rule, fill))),
  ].join('\n');
}

const OWN_AUDIENCE =
  'An audience that no other service has, so that tokens made for others are useless here, and the reverse.';

function ruleYaml(rule: PresetRule, fill: Fill): string {
  return [
    // As wide as the others once it is in its place.
    prose(8, rule.why).replace(/^ {8}/gm, ''),
    `- name: ${rule.name}`,
    `  ${rule.effect}: ${condition(fill(rule.expression))}`,
    ...(rule.message === undefined ? [] : [`  message: ${rule.message}`]),
  ].join('\n');
}

/** On the line of its key, or folded with a line for each part. */
function condition(expression: string): string {
  const parts = expression.split(/(?<=&&|\|\|) /);
  const isPlain = parts.length === 1 && /^[a-z](?!.*(?:: | #))/.test(expression);
  return isPlain ? expression : ['>-', ...parts.map((part) => `    ${part}`)].join('\n');
}

function providerOf({ provider }: Preset, fill: Fill): PresetBlock['provider'] {
  if (provider === undefined) return undefined;
  const pinned = [...(provider.pinned ?? [])].map(([name, value]) => [name, fill(value)] as const);
  return { name: provider.name, yaml: ciProviderYaml({ ...provider, pinned: new Map(pinned) }) };
}

const TEMPLATES =
  'How the claims become the name and the extensions of the certificate. What is pinned, no claim can override.';
