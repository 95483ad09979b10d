/**
 * Writes docs/errors.md from the table of reasons. A test says when it is stale; then run:
 * node scripts/write-errors.ts && npm run format
 */
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { errorReference } from '../server/operator/error-reference.ts';

writeFileSync(join(dirname(import.meta.dirname), 'docs/errors.md'), errorReference());
