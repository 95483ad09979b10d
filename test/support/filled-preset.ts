import { PRESETS } from '../../config/presets/all.ts';
import { presetYaml } from '../../config/presets/preset-yaml.ts';
import type { BlankValues, Preset } from '../../config/presets/preset.ts';

/** The audience of blocks that {@link filledPreset} makes. */
export const AUDIENCE = 'ca.acme.example';

/** The preset called `name`. */
export function presetNamed(name: string): Preset {
  const found = PRESETS.find((preset) => preset.name === name);
  if (found === undefined) throw new Error(`there is no preset ${name}`);
  return found;
}

/** Its block with every blank filled by its example. */
export const filledPreset = (name: string): string =>
  presetYaml(presetNamed(name), examplesOf(presetNamed(name)));

/** The examples of its blanks, and {@link AUDIENCE}. */
export const examplesOf = ({ blanks }: Preset): BlankValues =>
  new Map([...blanks.map(({ name, example }) => [name, example] as const), ['audience', AUDIENCE]]);
