/**
 * Writes the tables of docs/configuration.md from the schema, between its two marks. A test says when they are stale;
 * then run: node scripts/write-config-reference.ts && npm run format
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { configReference } from '../config/reference.ts';

const path = join(dirname(import.meta.dirname), 'docs/configuration.md');
const between = /(?<=<!-- reference -->\n)[^]*(?=<!-- end of reference -->)/;
const text = readFileSync(path, 'utf8');
if (!between.test(text)) throw new Error(`${path} has lost its marks`);
writeFileSync(
  path,
  text.replace(between, () => `\n${configReference()}\n`),
);
