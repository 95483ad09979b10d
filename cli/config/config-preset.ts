/** `mayfly config preset`: issuer blocks of providers for the configuration, ready to be pasted, or put into a file. */
import { dirname, resolve } from 'node:path';
import { nearest } from '../../core/nearest.ts';
import { utf8 } from '../../core/bytes.ts';
import { ConfigError } from '../../config/findings/config-error.ts';
import { PRESETS } from '../../config/presets/all.ts';
import { audienceIn, presetsInto } from '../../config/edit/presets-into.ts';
import { presetsYaml, presetYaml, type FilledPreset } from '../../config/presets/preset-yaml.ts';
import { newAudience, type Preset } from '../../config/presets/preset.ts';
import { readConfigFile } from '../../config/load/read-file.ts';
import { replaceDurably } from '../../storage/durable-file.ts';
import { action, CommandError, type RegisterCommand, type Speaker } from '../program/command.ts';
import { invocation } from '../program/invocation.ts';
import { quotedPath } from '../../storage/quoted-path.ts';
import { fillPresets } from './preset-values.ts';

interface PresetOptions {
  readonly list?: boolean;
  readonly audience?: string;
  readonly host?: string;
  readonly org?: string;
  readonly set: readonly string[];
  readonly into?: string;
}

const EXAMPLES = `
What is printed goes into config.yaml: the issuer block below your own oidc-issuers, templates below
ci-issuer-metadata. --into puts it there: comments and everything else in the file stay, an issuer that has a block
already is refused, and nothing is written that could not be used. What is marked EDIT-ME matches nobody until it is filled in, there or here
with --set. Several presets share an audience; with --into, that of the file if it has one.

Examples:
  mayfly config preset --list
  mayfly config preset github --set owner-id=123456
  mayfly config preset github gitlab --set owner-id=123456 --set namespace-id=72 --into config.yaml
  mayfly config preset gitlab-self-hosted --host gitlab.example.org --audience https://ca.example.org
  mayfly config preset kubernetes --set issuer=https://kubernetes.default.svc.cluster.local`;

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

/** Adds the command to its group. */
export const registerPreset: RegisterCommand = (group) => {
  group
    .command('preset')
    .argument('[NAME...]', 'the provider, or several')
    .summary('print the issuer block of a provider of tokens, with a narrow rule')
    .description(
      'Print the issuer block of a provider of tokens for the configuration: commented, with an audience of its own and a rule that admits only what it names.',
    )
    .option('--list', 'say which presets there are, and what each wants to know')
    .option('--audience <text>', 'the audience of your service; default a new one')
    .option('--host <name>', 'host name of a provider that you run yourself')
    .option('--org <name>', 'your organisation there')
    .option('--set <name=value>', 'fill in what is marked EDIT-ME-name (again for more)', collect, [])
    .option('--into <file>', 'put it into this configuration rather than print it')
    .option('--json', 'print {"preset":…,"yaml":…,"missing":[…]}')
    .addHelpText('after', EXAMPLES)
    .action(action(preset));
};

async function preset(options: PresetOptions, speak: Speaker, names: readonly string[]): Promise<undefined> {
  if (options.list === true) list(speak);
  else if (names.length === 0) throw usage('say which preset', 'See: mayfly config preset --list');
  else if (options.into === undefined) print(chosenOf(names), options, speak);
  else await putInto(options.into, chosenOf(names), options, speak);
  return undefined;
}

function list(speak: Speaker): void {
  const rows = PRESETS.map(({ name, title, blanks }) => ({
    name,
    title,
    blanks: blanks.map((blank) => ({ name: blank.name, about: blank.about, example: blank.example })),
  }));
  const widest = Math.max(...rows.map(({ title }) => title.length));
  const text = rows.map(({ name, title, blanks }) =>
    `${name.padEnd(20)}${title.padEnd(widest + 2)}${blanks.map((blank) => blank.name).join(', ')}`.trimEnd(),
  );
  speak.answer({ presets: rows }, text.join('\n'));
}

function print(chosen: readonly Preset[], options: PresetOptions, speak: Speaker): void {
  const filled = fillPresets(chosen, options, options.audience ?? newAudience());
  const [only, ...more] = filled;
  const missing = missingIn(filled);
  if (only !== undefined && more.length === 0) {
    const yaml = presetYaml(only.preset, only.values);
    speak.answer({ preset: only.preset.name, yaml, missing }, yaml.trimEnd());
    return;
  }
  const yaml = presetsYaml(filled);
  speak.answer({ presets: chosen.map(({ name }) => name), yaml, missing }, yaml.trimEnd());
}

async function putInto(
  file: string,
  chosen: readonly Preset[],
  options: PresetOptions,
  speak: Speaker,
): Promise<void> {
  const text = await readConfigFile(file).catch(unreadable);
  const directory = dirname(resolve(file));
  const audience = options.audience ?? audienceIn(text, file, directory) ?? newAudience();
  const filled = fillPresets(chosen, options, audience);
  await replace(file, presetsInto(text, file, directory, filled));
  const missing = missingIn(filled);
  const names = chosen.map(({ name }) => name);
  const lines = [
    `Put into ${file}: ${names.join(', ')}, for the audience ${audience}.`,
    ...(missing.length === 0 ? [] : [`Still to be filled in, marked EDIT-ME: ${missing.join(', ')}.`]),
    `Next: ${invocation()} config check ${quotedPath(file)}`,
  ];
  speak.answer({ file, presets: names, audience, missing }, lines.join('\n'));
}

/** A file that cannot be read was named wrongly. */
function unreadable(error: unknown): never {
  throw error instanceof ConfigError ? usage(error.message, error.hint ?? '') : error;
}

/** A crash leaves the old file or the new one. */
async function replace(file: string, text: string): Promise<void> {
  try {
    await replaceDurably(file, utf8(text));
  } catch (cause) {
    const { code = 'unknown' } = cause as NodeJS.ErrnoException;
    throw new CommandError('FAILED', `${file} cannot be written (${code})`, {
      hint: 'Nothing was changed. Check the owner and mode of its directory, or print the preset without --into.',
      cause,
    });
  }
}

/** What is still to be filled in; of several presets with their names in front. */
const missingIn = (filled: readonly FilledPreset[]): readonly string[] =>
  filled.flatMap(({ preset: { name: of, blanks }, values }) =>
    blanks
      .filter(({ name }) => !values.has(name))
      .map(({ name }) => (filled.length === 1 ? name : `${of}.${name}`)),
  );

function chosenOf(names: readonly string[]): readonly Preset[] {
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  const chosen = names.map(presetOf);
  if (twice !== undefined) throw usage(`the preset ${twice} is named twice`, 'Name each of them once.');
  return chosen;
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

const usage = (sentence: string, hint: string): CommandError => new CommandError('USAGE', sentence, { hint });
