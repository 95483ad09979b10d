/**
 * Writes the sections of docs/providers.md from the presets, behind its mark. A test says when they are stale; then
 * run: node scripts/write-providers.ts && npm run format
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PRESETS } from '../config/presets/all.ts';
import { presetSection } from '../config/presets/preset-docs.ts';

const path = join(dirname(import.meta.dirname), 'docs/providers.md');
const mark = '<!-- presets -->\n';
const [head, rest] = readFileSync(path, 'utf8').split(mark);
if (head === undefined || rest === undefined) throw new Error(`${path} has lost its mark`);
writeFileSync(path, `${head}${mark}\n${PRESETS.map(presetSection).join('\n\n')}\n`);
