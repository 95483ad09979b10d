/** What mayfly.ts starts: bin/mayfly.js without its search for a runtime and a build, and without the code that was compiled. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type * as program from '../../cli/main.ts';
import { projectRoot } from './project-root.ts';

const words = process.argv.slice(2);
const command = words.find((word) => !word.startsWith('-')) ?? '';
const bundle = join(projectRoot, 'dist/commands', `${command}.cjs`);
const isBundled = import.meta.url.endsWith('.js') && /^[a-z]+$/.test(command) && existsSync(bundle);
const { main } = isBundled
  ? (createRequire(import.meta.url)(bundle) as typeof program)
  : await import('../../cli/main.ts');
await main(words);
