/**
 * Makes one file of the program with each command that is run again and again, and compiles it: to load a hundred small modules one by one takes longer than
 * all that such a command does. `bin/mayfly.js` starts these files where they are there. They are CommonJS, whose compiled code can be kept.
 *
 * A command stays what it is in its own modules, which tests load: nothing here may change what the program does.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { build, type Plugin } from 'esbuild-wasm';

const samples = join(import.meta.dirname, 'samples/verify');

/** What is run at the build for each command that needs no service, so that the code of what such a run calls is kept and no other. */
const SAMPLES: ReadonlyMap<string, readonly string[]> = new Map([
  [
    'verify/verify',
    [
      ...['verify', 'bundle', join(samples, 'bundle.json'), '--artifact', join(samples, 'artifact')],
      ...['--trusted-root', join(samples, 'trusted_root.json'), '--any-identity'],
    ],
  ],
]);

/** Modules with `register`, below `cli/`. The bundle of one is called by its last word, as the command is. */
const COMMANDS = ['sign/sign', 'sign/attest', 'verify/verify', 'certificate/certificate'];

/** Writes `commands/` in the directory of the build; nothing where it is as it would be. Rejects where a module cannot be bundled. */
export async function bundleCommands(dist: string): Promise<void> {
  const out = join(dist, 'commands');
  const mark = join(out, 'made-of');
  const inputs = hashOf(dist);
  if (existsSync(mark) && readFileSync(mark, 'utf8') === inputs) return;
  rmSync(out, { recursive: true, force: true });
  const bundles = await Promise.all(COMMANDS.map((name) => bundleOf(dist, out, name)));
  mkdirSync(out, { recursive: true });
  for (const { path, text } of bundles) writeFileSync(path, text);
  for (const { path, sample } of bundles) compile(path, sample);
  writeFileSync(mark, inputs);
}

/** As `bin/mayfly.js` takes it, in a process with the flags that a run of the program has. */
function compile(file: string, sample: readonly string[] | undefined): void {
  const module = new URL('../bin/compiled.js', import.meta.url).href;
  const script = `import { compile } from ${JSON.stringify(module)}; await compile(...${JSON.stringify(sample === undefined ? [file] : [file, sample])});`;
  execFileSync(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
}

interface Bundle {
  readonly path: string;
  readonly text: string;
  readonly sample: readonly string[] | undefined;
}

async function bundleOf(dist: string, out: string, name: string): Promise<Bundle> {
  const path = join(out, `${basename(name)}.cjs`);
  const main = join(dist, 'cli/main.js');
  const { outputFiles } = await build({
    plugins: [withOneCommand(main, out, name), withoutPackages],
    entryPoints: [main],
    bundle: true,
    format: 'cjs',
    platform: 'node',
    target: 'node22',
    outfile: path,
    // A script whose code is kept can require modules alone.
    supported: { 'dynamic-import': false },
    define: { 'import.meta': 'IMPORT_META' },
    // Without comments it is shorter by a third; lines are what the stack of a failure names.
    minifyWhitespace: true,
    lineLimit: 120,
    logLevel: 'warning',
    write: false,
  });
  const text = outputFiles.map((file) => file.text).join('');
  if (text.includes('IMPORT_META'))
    throw new Error(`${path}: a module in it asks where it lies, and it lies elsewhere now`);
  // The rest is written so by the bundler.
  const [odd] = /\P{ASCII}.{0,80}/u.exec(text) ?? [];
  if (odd !== undefined)
    throw new Error(`${path}: ${JSON.stringify(odd)} in it is not ASCII: write it with \\u escapes`);
  return { path, text: `(function (require, module, exports) {${text}\n})`, sample: SAMPLES.get(name) };
}

/** Leaves what the program imports for other commands where it is, seen from the bundles in `out`. */
const withOneCommand = (main: string, out: string, name: string): Plugin => ({
  name: 'one command',
  setup: (plugin) => {
    plugin.onResolve({ filter: /^\./ }, ({ importer, kind, path }) => {
      if (importer !== main || kind !== 'dynamic-import' || path === `./${name}.js`) return undefined;
      const file = relative(out, join(main, '..', path));
      return { path: file.replaceAll('\\', '/'), external: true };
    });
  },
});

/** Leaves packages where they are, too: hardly any run loads one. But for the parser of the command line, which every run does. */
const withoutPackages: Plugin = {
  name: 'without packages',
  setup: (plugin) => {
    plugin.onResolve({ filter: /^[^./]/ }, ({ path, kind, namespace }) => {
      if (kind === 'entry-point' || path === 'commander') return undefined;
      const isLate = LATE.has(path) && namespace !== 'late';
      return isLate ? { path, namespace: 'late' } : { path, external: true };
    });
    plugin.onLoad({ filter: /./, namespace: 'late' }, ({ path }) => ({ contents: lateModule(path) }));
  },
};

/** Modules of Node that take long to load, and that most runs use nothing of. */
const LATE: ReadonlySet<string> = new Set([
  'node:child_process',
  'node:fs/promises',
  'node:net',
  'node:stream/promises',
  'node:timers/promises',
]);

/** A module with the functions of another, which is loaded when one of them is looked at. */
const lateModule = (name: string): string => `
  let loaded;
  for (const name of ${JSON.stringify(Object.keys(process.getBuiltinModule(name) ?? {}))})
    Object.defineProperty(exports, name, {
      enumerable: true,
      get: () => (loaded ??= require(${JSON.stringify(name)}))[name],
    });`;

/** What the bundles and their code follow from: the compiled modules, how they are bundled and compiled, and the Node that does it. */
function hashOf(dist: string): string {
  const hash = createHash('sha256').update(`${process.version} ${process.arch}\0`);
  const makers = [
    import.meta.filename,
    join(import.meta.dirname, '../bin/compiled.js'),
    ...globSync(`${samples}/*`).sort(),
  ];
  for (const file of makers) hash.update(readFileSync(file));
  const files = globSync(
    '{bundle,ca,cli,config,core,ct-log,explain,instance,oidc,policy,rekor,search,signers,storage,tlog,trust,tsa,verify,witness}/**/*.js',
    { cwd: dist },
  );
  for (const file of files.sort()) hash.update(`${file}\0`).update(readFileSync(join(dist, file)));
  return hash.digest('hex');
}
