/** `mayfly config preset`: a provider's entry for the configuration, ready to be pasted. */
import { nearest } from '../core/nearest.ts';
import { newAudience } from '../config/new-audience.ts';
import { PRESETS } from '../config/presets/all.ts';
import { isBlankValue, presetYaml } from '../config/presets/preset-yaml.ts';
import type { Preset } from '../config/presets/preset.ts';
import { action, CommandError, type RegisterCommand, type Speaker } from './command.ts';

interface PresetOptions {
  readonly list?: boolean;
  readonly audience?: string;
  readonly host?: string;
  readonly org?: string;
  readonly set: readonly string[];
}

const EXAMPLES = `
The block goes into config.yaml: its entry below your own oidc-issuers, its templates below ci-issuer-metadata. What
is marked EDIT-ME matches nobody until it is filled in, there or here with --set.

Examples:
  mayfly config preset --list
  mayfly config preset github --set owner-id=123456
  mayfly config preset gitlab-self-hosted --host gitlab.example.org --audience https://ca.example.org
  mayfly config preset kubernetes --set issuer=https://kubernetes.default.svc.cluster.local`;

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

/** Adds the command to its group. */
export const registerPreset: RegisterCommand = (group) => {
  group
    .command('preset')
    .argument('[NAME]', 'the provider')
    .summary('print the entry of a provider of tokens, with a narrow rule')
    .description(
      'Print the entry of a provider of tokens for the configuration: commented, with an audience of its own and a rule that admits only what it names.',
    )
    .option('--list', 'say which presets there are, and what each wants to know')
    .option('--audience <text>', 'the audience of your service; default a new one')
    .option('--host <name>', 'host name of a provider that you run yourself')
    .option('--org <name>', 'your organisation there')
    .option('--set <name=value>', 'fill in what is marked EDIT-ME-name (again for more)', collect, [])
    .option('--json', 'print {"preset":…,"yaml":…,"missing":[…]}')
    .addHelpText('after', EXAMPLES)
    .action(action(preset));
};

async function preset(options: PresetOptions, speak: Speaker, args: readonly string[]): Promise<undefined> {
  const [name] = args;
  if (options.list === true) list(speak);
  else if (name === undefined) throw usage('say which preset', 'See: mayfly config preset --list');
  else print(presetOf(name), options, speak);
  return Promise.resolve(undefined);
}

function list(speak: Speaker): void {
  const rows = PRESETS.map(({ name, title, blanks }) => ({
    name,
    title,
    blanks: blanks.map((blank) => ({ name: blank.name, about: blank.about, example: blank.example })),
  }));
  const text = rows.map(({ name, title, blanks }) =>
    `${name.padEnd(20)}${title.padEnd(26)}${blanks.map((blank) => blank.name).join(', ')}`.trimEnd(),
  );
  speak.answer({ presets: rows }, text.join('\n'));
}

function print(chosen: Preset, options: PresetOptions, speak: Speaker): void {
  const values = valuesOf(chosen, options);
  const missing = chosen.blanks.map(({ name }) => name).filter((name) => !values.has(name));
  const yaml = presetYaml(chosen, values);
  speak.answer({ preset: chosen.name, yaml, missing }, yaml.trimEnd());
}

function presetOf(name: string): Preset {
  const found = PRESETS.find((candidate) => candidate.name === name);
  if (found !== undefined) return found;
  const names = PRESETS.map((candidate) => candidate.name);
  const near = nearest(name, names);
  const known = `There are ${names.join(', ')}.`;
  throw usage(
    // A long or odd word may be a secret in the wrong place.
    /^[\w-]{1,32}$/.test(name) ? `there is no preset "${name}"` : 'there is no such preset',
    near === undefined ? known : `Did you mean "${near}"? ${known}`,
  );
}

function valuesOf(chosen: Preset, options: PresetOptions): Map<string, string> {
  const values = new Map([['audience', options.audience ?? newAudience()]]);
  for (const [option, value] of [
    ['host', options.host],
    ['org', options.org],
  ] as const)
    if (value !== undefined) values.set(blankNamed(option, chosen, `--${option}`), value);
  for (const pair of options.set) {
    const [, name = '', value = ''] = /^([^=]*)=(.*)$/s.exec(pair) ?? [];
    if (value === '') throw usage('--set takes name=value', `Names are: ${namesOf(chosen)}.`);
    values.set(blankNamed(name, chosen, '--set'), value);
  }
  for (const [name, value] of values) values.set(name, checked(name, value));
  return values;
}

const namesOf = ({ blanks }: Preset): string => blanks.map(({ name }) => name).join(', ');

function blankNamed(name: string, chosen: Preset, option: string): string {
  if (chosen.blanks.some((blank) => blank.name === name)) return name;
  throw usage(
    option === '--set'
      ? `the preset ${chosen.name} has nothing of that name to fill in`
      : `the preset ${chosen.name} takes no ${option}`,
    `Names are: ${namesOf(chosen)}.`,
  );
}

function checked(name: string, value: string): string {
  // People paste the address of their instance.
  const plain = name === 'host' ? value.replace(/^https:\/\//, '').replace(/\/$/, '') : value;
  if (isBlankValue(plain)) return plain;
  throw usage(
    `the value for ${name} has characters that cannot stand in a URL or a rule`,
    'Letters, digits and - . _ ~ : / @ + go; print the block without it, and edit.',
  );
}

const usage = (sentence: string, hint: string): CommandError => new CommandError('USAGE', sentence, { hint });
