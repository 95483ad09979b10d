/** One file of many compiled modules, in CommonJS. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { build, type BuildOptions, type Plugin } from 'esbuild-wasm';

/** A command of the program. */
export interface BundledCommand {
  /** The module with its `register`, below `cli/`. The bundle is called by its last word, as the command is. */
  readonly name: string;
  /** Whether the packages that it imports are in the file, too. */
  readonly withPackages?: boolean;
}

/** A bundle that is to be written. */
export interface Bundle {
  readonly path: string;
  readonly text: string;
}

const OPTIONS = {
  bundle: true,
  format: 'cjs',
  platform: 'node',
  target: 'node22',
  charset: 'ascii',
  legalComments: 'none',
  // Errors go from thread to thread by the names of their classes, which may otherwise be others in a file of many modules.
  keepNames: true,
  logLevel: 'warning',
  write: false,
} as const satisfies BuildOptions;

/** The program in the directory `dist` with one command, as `bin/compiled.js` loads it from the folder `out`. Rejects where a module cannot be bundled. */
export async function bundleCommand(
  dist: string,
  out: string,
  { name, withPackages = false }: BundledCommand,
): Promise<Bundle> {
  const path = join(out, `${basename(name)}.cjs`);
  const main = join(dist, 'cli/main.js');
  const { outputFiles } = await build({
    ...OPTIONS,
    // The command is imported first, so that nothing in the file has to wait to be called for: unused exports are left out.
    stdin: {
      contents: `import { register } from './${name}.js';
        import { take } from ${JSON.stringify(CHOSEN)};
        take(register);
        export { main } from './main.js';`,
      resolveDir: join(dist, 'cli'),
    },
    plugins: [
      withOneCommand(main, out, name),
      withPackages ? withLatePackages(main) : withoutPackages,
      withPlaces(dist, out),
    ],
    outfile: path,
    // A script whose code is kept can require modules alone.
    supported: { 'dynamic-import': false },
    // Without comments it is shorter by a third; lines are what the stack of a failure names.
    minifyWhitespace: true,
    lineLimit: 120,
  });
  const text = outputFiles.map((file) => file.text).join('');
  // The rest is written so by the bundler.
  const [odd] = /\P{ASCII}.{0,80}/u.exec(text) ?? [];
  if (odd !== undefined)
    throw new Error(`${path}: ${JSON.stringify(odd)} in it is not ASCII: write it with \\u escapes`);
  return { path, text: `(function (require, module, exports, __filename) {${text}\n})` };
}

/** The module `file` of a thread, with all that it imports of this program, for a file beside it with the extension `.cjs`. Packages stay where they are. Rejects where a module cannot be bundled. */
export async function bundleThread(dist: string, file: string): Promise<Bundle> {
  const path = file.replace(/\.js$/, '.cjs');
  const { outputFiles } = await build({
    ...OPTIONS,
    entryPoints: [file],
    packages: 'external',
    plugins: [withPlaces(dist, dirname(file))],
    outfile: path,
  });
  return { path, text: outputFiles.map((output) => output.text).join('') };
}

/** A module that asks where it lies finds where it would lie, seen from the folder `out` of the bundle. */
const withPlaces = (dist: string, out: string): Plugin => ({
  name: 'places',
  setup: (plugin) => {
    plugin.onLoad({ filter: /\.js$/, namespace: 'file' }, ({ path }) => {
      if (!path.startsWith(dist)) return undefined;
      const contents = readFileSync(path, 'utf8');
      const place = JSON.stringify(relative(out, path).replaceAll('\\', '/'));
      const url = `new URL(${place}, require('node:url').pathToFileURL(__filename)).href`;
      return { contents: contents.replaceAll('import.meta.url', url) };
    });
  },
});

/** What stands in a bundle for the module with its command. */
const CHOSEN = 'chosen-command';

/** Leaves what the program imports for other commands where it is, seen from the bundles in `out`. */
const withOneCommand = (main: string, out: string, name: string): Plugin => ({
  name: 'one command',
  setup: (plugin) => {
    const chosen = { path: CHOSEN, namespace: CHOSEN };
    plugin.onResolve({ filter: new RegExp(`^${CHOSEN}$`) }, () => chosen);
    plugin.onLoad({ filter: /./, namespace: CHOSEN }, () => ({
      contents: 'export let register; export const take = (one) => { register = one; };',
    }));
    plugin.onResolve({ filter: /^\./ }, ({ importer, kind, path }) => {
      if (importer !== main || kind !== 'dynamic-import') return undefined;
      if (path === `./${name}.js`) return chosen;
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
      if (kind === 'entry-point' || path === 'commander' || path === CHOSEN) return undefined;
      const isLate = LATE.has(path) && namespace !== 'late';
      return isLate ? { path, namespace: 'late' } : { path, external: true };
    });
    plugin.onLoad({ filter: /./, namespace: 'late' }, ({ path }) => ({
      contents: lateModule(path, process.getBuiltinModule(path) ?? {}),
    }));
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

/** Packages that a service does not need to start, of which it uses properties of what they export alone. */
const LATE_PACKAGES: ReadonlySet<string> = new Set(['iconv-lite', 'node-forge', 'undici']);

/** Packages that few services use. */
const RARE_PACKAGES: ReadonlySet<string> = new Set(['@aws-sdk/client-s3', 'node-forge', 'pg']);

/** Takes packages in, to be loaded with the rest, or when something of theirs is used; rare ones are left where they are. */
const withLatePackages = (main: string): Plugin => ({
  name: 'late packages',
  setup: (plugin) => {
    const packages = createRequire(main);
    plugin.onResolve({ filter: /^[@a-z]/ }, ({ path, namespace }) => {
      if (LATE_PACKAGES.has(path) && namespace !== 'late') return { path, namespace: 'late' };
      return RARE_PACKAGES.has(path) ? { path, external: true } : undefined;
    });
    plugin.onLoad({ filter: /./, namespace: 'late' }, ({ path }) => ({
      contents: lateModule(path, packages(path) as object),
      resolveDir: dirname(main),
    }));
  },
});

/** A module with the functions of another, which is loaded when one of them is looked at. */
const lateModule = (name: string, like: object): string => `
  let loaded;
  for (const name of ${JSON.stringify(Object.keys(like))})
    Object.defineProperty(exports, name, {
      enumerable: true,
      get: () => (loaded ??= require(${JSON.stringify(name)}))[name],
    });`;
