/**
 * Compiles the whole tree to `dist/`.
 *
 * `dist` is emptied first when a source file was deleted or renamed: a stale compiled test would otherwise still run
 * and pass (or fail) for code that is gone.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const root = dirname(import.meta.dirname);
const outDir = join(root, 'dist');

const stale = globSync('**/*.js', { cwd: outDir }).some(
  (file) => !existsSync(join(root, file.replace(/\.js$/, '.ts'))),
);
if (stale) {
  rmSync(outDir, { recursive: true, force: true });
}
const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
try {
  execFileSync(process.execPath, [tsc, '--project', root], { stdio: 'inherit' });
} catch {
  process.exit(1);
}
