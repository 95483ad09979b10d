import { fillerOf } from './preset-yaml.ts';
import type { Preset } from './preset.ts';

/** The section of a preset in `docs/providers.md`. */
export function presetSection(preset: Preset): string {
  return [
    `## ${preset.title}`,
    preset.about.join(' '),
    `\`\`\`\nmayfly config preset ${preset.name}${preset.blanks.map(settingOf).join('')}\n\`\`\``,
    table(
      ['to fill in', 'what it is'],
      preset.blanks.map(({ name, about }) => [`\`${name}\``, about]),
    ),
    `**A token**: ${named(preset.token)}`,
    [`Issuer \`${issuerOf(preset)}\``, audience(preset), `type \`${preset.type}\`${nameOf(preset)}.`].join(
      ', ',
    ),
    table(
      ['claim', 'meaning'],
      preset.claims.map(([claim, meaning]) => [claim.split(', ').map(code).join(', '), meaning]),
    ),
    preset.rules.map(ruleText).join('\n'),
  ].join('\n\n');
}

const code = (text: string): string => `\`${text}\``;

/** Blanks in capitals, as the manuals of command lines have them. */
const named = (text: string): string =>
  text.replace(/%([a-z][a-z-]*)%/g, (_mark, name: string) => name.toUpperCase());

/** With the examples filled in. */
const issuerOf = (preset: Preset): string =>
  fillerOf(preset, new Map(preset.blanks.map(({ name, example }) => [name, example])))(preset.issuer);

const settingOf = ({ name, example }: Preset['blanks'][number]): string =>
  name === 'host' || name === 'org' ? ` --${name} ${example}` : ` --set ${name}=${example}`;

const audience = ({ audiences }: Preset): string =>
  audiences === undefined
    ? 'an audience of your own'
    : `audience ${audiences.map((text) => (text === '%audience%' ? 'of your own' : code(named(text)))).join(' or ')}`;

const nameOf = ({ provider }: Preset): string =>
  provider === undefined ? '' : `; the certificate names \`${provider.subjectTemplate}\``;

const ruleText = ({ name, effect, expression, why }: Preset['rules'][number]): string =>
  `- \`${name}\`: **${effect}** \`${named(expression)}\`. ${why}`;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => '---'), ...rows];
  return lines
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
    .join('\n');
}
