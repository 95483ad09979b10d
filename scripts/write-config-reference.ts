/**
 * Writes the tables of docs/configuration.md, between its two marks, and docs/config.schema.json from the schema, and
 * docs/deny-list.schema.json from its own. A test
 * says when they are stale; then run: node scripts/write-config-reference.ts && npm run format
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { configJsonSchema, denyListJsonSchema } from '../config/reference/json-schema.ts';
import { configReference } from '../config/reference/reference.ts';

const docs = join(dirname(import.meta.dirname), 'docs');
const path = join(docs, 'configuration.md');
const between = /(?<=<!-- reference -->\n)[^]*(?=<!-- end of reference -->)/;
const text = readFileSync(path, 'utf8');
if (!between.test(text)) throw new Error(`${path} has lost its marks`);
writeFileSync(
  path,
  text.replace(between, () => `\n${configReference()}\n`),
);
writeFileSync(join(docs, 'config.schema.json'), JSON.stringify(configJsonSchema()));
writeFileSync(join(docs, 'deny-list.schema.json'), JSON.stringify(denyListJsonSchema()));
