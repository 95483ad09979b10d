/**
 * Compiles the whole tree to `dist/`, bundles some commands, and writes there which commit it is of.
 *
 * `dist` is emptied first when a source file was deleted or renamed: a stale compiled test would otherwise still run
 * and pass (or fail) for code that is gone.
 */
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { bundleCommands } from './bundle-commands.ts';

const root = dirname(import.meta.dirname);
const outDir = join(root, 'dist');

const stale = globSync('**/*.js', { cwd: outDir, exclude: ['commands/**'] }).some(
  (file) => !existsSync(join(root, file.replace(/\.js$/, '.ts'))),
);
if (stale) {
  rmSync(outDir, { recursive: true, force: true });
}
if (process.stderr.isTTY && !existsSync(join(outDir, 'build.json')))
  process.stderr.write('Building, which takes a quarter of a minute the first time.\n');
const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
const projects = [
  root,
  // The types of what the package exports as a library.
  join(root, 'tsconfig.library.json'),
];
// Several npm commands build first, one after the other: the compiler is not asked again about the same files.
const mark = join(outDir, 'compiled-from');
const sources = stateOfSources();
if (!existsSync(mark) || readFileSync(mark, 'utf8') !== sources) {
  rmSync(mark, { force: true });
  const complaints = (await Promise.all(projects.map(compile))).filter((text) => text !== undefined);
  if (complaints.length > 0) {
    process.stdout.write(complaints.join(''));
    process.exit(1);
  }
  writeFileSync(mark, sources);
}
await bundleCommands(outDir);
const about = join(outDir, 'build.json');
const ofCommit = `${JSON.stringify({ commit: commit() })}\n`;
// A program that runs from here reads it: where nothing changed, it is never half written.
if (!existsSync(about) || readFileSync(about, 'utf8') !== ofCommit) writeFileSync(about, ofCommit);

/** Which files the compiler reads, and when each was changed, as one hash. Nothing but a build writes in `dist`. */
function stateOfSources(): string {
  const hash = createHash('sha256').update(`${process.version}\n`);
  const files = globSync(['**/*.{ts,d.ts}', 'tsconfig*.json', 'package-lock.json'], {
    cwd: root,
    exclude: (name) => name === 'node_modules' || name === 'dist',
  });
  for (const file of files.sort()) {
    const { mtimeMs, size } = statSync(join(root, file));
    hash.update(`${file} ${mtimeMs} ${size}\n`);
  }
  return hash.digest('hex');
}

/** Compiles what a file or folder of settings names. What TypeScript complains of, if it does. */
function compile(project: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(process.execPath, [tsc, '--project', project], (error, stdout, stderr) => {
      resolve(error === null ? undefined : `${stdout}${stderr}` || `${error.message}\n`);
    });
  });
}

/** The commit that the tree is of, with `-dirty` when tracked files differ from it; null outside of a checkout of git.
 * An image is built without the history: there MAYFLY_COMMIT names it. */
function commit(): string | null {
  const named = process.env['MAYFLY_COMMIT'] ?? '';
  if (/^[0-9a-f]{40}(-dirty)?$/.test(named)) return named;
  try {
    // An unpacked archive may lie in a checkout of something else.
    if (realpathSync(git('rev-parse', '--show-toplevel')) !== realpathSync(root)) return null;
    const changes = git('status', '--porcelain', '--untracked-files=no');
    return `${git('rev-parse', 'HEAD')}${changes === '' ? '' : '-dirty'}`;
  } catch {
    return null;
  }
}

function git(...words: string[]): string {
  return execFileSync('git', words, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim();
}
