/**
 * Writes the accepted differences into docs/compatibility.md. A test says when they are stale; then run:
 * node test/differential/write-table.ts && npm run format
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../support/project-root.ts';
import { BETWEEN_MARKS, differenceTable } from './difference-table.ts';

const path = join(projectRoot, 'docs/compatibility.md');
const text = readFileSync(path, 'utf8');
if (!BETWEEN_MARKS.test(text)) throw new Error(`${path} has lost its marks`);
writeFileSync(
  path,
  text.replace(BETWEEN_MARKS, () => `\n${differenceTable()}\n\n`),
);
