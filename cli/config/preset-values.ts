import { isBlankValue, type FilledPreset } from '../../config/presets/preset-yaml.ts';
import type { Preset } from '../../config/presets/preset.ts';
import { CommandError } from '../program/command.ts';

/** What the command line says of blanks. */
interface GivenValues {
  readonly host?: string | undefined;
  readonly org?: string | undefined;
  /** `name=value`, or `preset.name=value` where several presets have a blank of that name. */
  readonly set: readonly string[];
}

/** The presets with what is given filled in. Throws {@link CommandError} `USAGE` for a value that none of them takes, that
 * several take, or that cannot stand in a URL or a rule. */
export function fillPresets(
  chosen: readonly Preset[],
  given: GivenValues,
  audience: string,
): readonly FilledPreset[] {
  const filled = chosen.map((preset) => ({
    preset,
    values: new Map([['audience', checked('audience', audience)]]),
  }));
  for (const { option, name, value, of } of pairsOf(given, chosen)) {
    const takers = filled.filter(
      ({ preset }) =>
        (of === undefined || preset.name === of) && preset.blanks.some((blank) => blank.name === name),
    );
    const [taker, ...more] = takers;
    if (taker === undefined) throw untaken(option, chosen);
    if (more.length > 0) throw ambiguous(name, takers);
    taker.values.set(name, checked(name, value));
  }
  return filled;
}

interface Pair {
  readonly option: string;
  /** The preset that is meant; undefined for the only one that has the blank. */
  readonly of?: string | undefined;
  readonly name: string;
  readonly value: string;
}

function pairsOf({ host, org, set }: GivenValues, chosen: readonly Preset[]): readonly Pair[] {
  const short = Object.entries({ host, org }).flatMap(([name, value]) =>
    value === undefined ? [] : [{ option: `--${name}`, name, value }],
  );
  const pairs = set.map((pair) => {
    const [, of, name = '', value = ''] = /^(?:([^=.]*)\.)?([^=]*)=(.*)$/s.exec(pair) ?? [];
    if (value === '') throw usage('--set takes name=value', `Names are: ${namesOf(chosen)}.`);
    return { option: '--set', of, name, value };
  });
  return [...short, ...pairs];
}

const namesOf = (chosen: readonly Preset[]): string =>
  [...new Set(chosen.flatMap(({ blanks }) => blanks.map(({ name }) => name)))].join(', ');

function untaken(option: string, chosen: readonly Preset[]): CommandError {
  const names = chosen.map(({ name }) => name);
  const [subject, verb] =
    names.length === 1
      ? [`the preset ${names.join('')}`, ['has', 'takes']]
      : [`the presets ${names.join(', ')}`, ['have', 'take']];
  return usage(
    option === '--set'
      ? `${subject} ${verb[0] ?? ''} nothing of that name to fill in`
      : `${subject} ${verb[1] ?? ''} no ${option}`,
    `Names are: ${namesOf(chosen)}.`,
  );
}

const ambiguous = (name: string, takers: readonly FilledPreset[]): CommandError =>
  usage(
    `several of the presets have a ${name} to fill in`,
    `Say which: ${takers.map(({ preset }) => `--set ${preset.name}.${name}=…`).join(' ')}`,
  );

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
