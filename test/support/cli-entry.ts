/** What mayfly.ts starts: bin/mayfly.js without its search for a runtime and a build. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type * as program from '../../cli/main.ts';
import { projectRoot } from './project-root.ts';

const words = process.argv.slice(2);
const command = words.find((word) => !word.startsWith('-')) ?? '';
const bundle = join(projectRoot, 'dist/commands', `${command}.cjs`);
const isBundled = import.meta.url.endsWith('.js') && /^[a-z]+$/.test(command) && existsSync(bundle);
const { main } = isBundled ? await loaded() : await import('../../cli/main.ts');
await main(words);

async function loaded(): Promise<typeof program> {
  const module: unknown = await import(pathToFileURL(join(projectRoot, 'bin/compiled.js')).href);
  return (module as { load(file: string): typeof program }).load(bundle);
}
