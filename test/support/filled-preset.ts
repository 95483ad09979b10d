import { PRESETS } from '../../config/presets/all.ts';
import { presetYaml } from '../../config/presets/preset-yaml.ts';
import type { Preset } from '../../config/presets/preset.ts';

/** The audience of blocks that {@link filledPreset} makes. */
export const AUDIENCE = 'ca.acme.example';

/** The preset called `name`. */
export function presetNamed(name: string): Preset {
  const found = PRESETS.find((preset) => preset.name === name);
  if (found === undefined) throw new Error(`there is no preset ${name}`);
  return found;
}

/** Its block with every blank filled by its example. */
export function filledPreset(name: string): string {
  const preset = presetNamed(name);
  const examples = preset.blanks.map((blank) => [blank.name, blank.example] as const);
  return presetYaml(preset, new Map([...examples, ['audience', AUDIENCE]]));
}
