/**
 * Writes every generated page of docs/, and every generated part of one, as `npm run format` leaves it:
 *
 *     node scripts/write-docs.ts            (npm run docs)
 *     node scripts/write-docs.ts --check    fails and names the pages that are stale; part of `npm run lint`
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { PRESETS } from '../config/presets/all.ts';
import { presetSection } from '../config/presets/preset-docs.ts';
import { configJsonSchema, denyListJsonSchema } from '../config/reference/json-schema.ts';
import { configReference } from '../config/reference/reference.ts';
import { errorReference } from '../server/operator/error-reference.ts';
import { differenceTable } from '../test/differential/difference-table.ts';
import { ROOMS, type Room } from './rooms.ts';

/** Page → its whole text, before it is formatted, from the text that it has now. */
const PAGES: Readonly<Record<string, (now: string) => string>> = {
  'docs/architecture.md': (now) => withPart(now, 'rooms', unpadded(roomsTable())),
  'docs/compatibility.md': (now) => withPart(now, 'differences', unpadded(differenceTable())),
  'docs/config.schema.json': () => JSON.stringify(configJsonSchema()),
  'docs/configuration-reference.md': (now) => withPart(now, 'reference', unpadded(configReference())),
  'docs/deny-list.schema.json': () => JSON.stringify(denyListJsonSchema()),
  'docs/errors.md': () => errorReference(),
  'docs/providers.md': (now) => withPart(now, 'presets', PRESETS.map(presetSection).join('\n\n')),
};

/** Keeps the formatter from padding a table: a longer cell would then change every line of it. */
const unpadded = (table: string): string =>
  `<!-- prettier-ignore-start -->\n\n${table}\n\n<!-- prettier-ignore-end -->`;

/** A page with another text between `<!-- NAME -->` and `<!-- end of NAME -->`. */
function withPart(page: string, name: string, text: string): string {
  const between = new RegExp(`(?<=<!-- ${name} -->\n)[^]*(?=<!-- end of ${name} -->)`);
  if (!between.test(page))
    throw new Error(`the page has no marks <!-- ${name} --> and <!-- end of ${name} -->`);
  return page.replace(between, () => `\n${text}\n\n`);
}

/** The rooms of the tree from the ground up, as scripts/check-layers.ts enforces them. */
function roomsTable(): string {
  const rows = Object.entries(ROOMS).map(([name, room]) => [
    code(name),
    room.holds,
    listed(room.mayImport) || 'nothing',
    packagesOf(room),
  ]);
  const head = ['room', 'holds', 'may import', 'npm packages that it owns'];
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

const packagesOf = (room: Room): string =>
  room.browser === true ? 'none, and nothing of Node: it loads in a browser' : listed(room.packages ?? []);

const listed = (names: readonly string[]): string => names.map(code).join(', ');
const code = (name: string): string => `\`${name}\``;

const root = dirname(import.meta.dirname);
const isCheck = process.argv.includes('--check');
const stale: string[] = [];
for (const [page, textOf] of Object.entries(PAGES)) {
  const path = join(root, page);
  const now = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const text = await format(textOf(now), { ...(await resolveConfig(path)), filepath: path });
  if (text === now) continue;
  stale.push(page);
  if (!isCheck) writeFileSync(path, text);
}
for (const page of stale)
  console.log(isCheck ? `${page} is stale: npm run docs writes it` : `${page} written`);
if (isCheck && stale.length > 0) process.exit(1);
