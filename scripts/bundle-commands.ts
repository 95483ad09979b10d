/**
 * Makes one file, with parts that they share, of the compiled modules of each command that is run again and again: to load a hundred small modules one by one takes longer than
 * all that such a command does. `cli/main.ts` takes these files where they are there.
 *
 * A command stays what it is in its own modules, which tests load: nothing here may change what the program does.
 */
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { build, type Plugin } from 'esbuild-wasm';

/** Modules with `register`, below `cli/`. The bundle of one is called by its last word. */
const COMMANDS = ['sign/sign', 'sign/attest', 'verify/verify', 'certificate/certificate'];

/** Packages that stay packages: what the program around a command shares with it, and what hardly any run loads. */
const PACKAGES = ['commander', 'openid-client', '@sigstore/*', '@noble/*', '@bufbuild/*', 'node-forge'];

/** CommonJS inside a bundle asks for modules of Node in its own way. */
const BANNER = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";

/** Writes `commands/` in the directory of the build; nothing where it is as it would be. Rejects where a module cannot be bundled. */
export async function bundleCommands(dist: string): Promise<void> {
  const out = join(dist, 'commands');
  const mark = join(out, 'made-of');
  const inputs = hashOf(dist);
  if (existsSync(mark) && readFileSync(mark, 'utf8') === inputs) return;
  rmSync(out, { recursive: true, force: true });
  const shared = await modulesOfProgram(dist);
  const { outputFiles } = await build({
    plugins: [leavingOut(shared, out)],
    entryPoints: COMMANDS.map((name) => join(dist, 'cli', `${name}.js`)),
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node22',
    outdir: out,
    entryNames: '[name]',
    chunkNames: 'part-[hash]',
    external: PACKAGES,
    banner: { js: BANNER },
    logLevel: 'warning',
    write: false,
  });
  for (const { path, text } of outputFiles)
    if (text.replace(BANNER, '').includes('import.meta'))
      throw new Error(`${path}: a module in it asks where it lies, and it lies elsewhere now`);
  mkdirSync(out, { recursive: true });
  for (const { path, contents } of outputFiles) writeFileSync(path, contents);
  writeFileSync(mark, inputs);
}

/** What the program has loaded before any command. Commands share these modules with it: an error that one throws is then of a class that the other knows. */
async function modulesOfProgram(dist: string): Promise<ReadonlySet<string>> {
  const commands: Plugin = {
    name: 'commands',
    setup: (plugin) => {
      plugin.onResolve({ filter: /./ }, ({ kind, path }) =>
        kind === 'dynamic-import' ? { path, external: true } : undefined,
      );
    },
  };
  const { metafile } = await build({
    plugins: [commands],
    entryPoints: [join(dist, 'cli/main.js')],
    absWorkingDir: dist,
    bundle: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    metafile: true,
    write: false,
  });
  return new Set(Object.keys(metafile.inputs).map((path) => join(dist, path)));
}

/** Leaves imports of those modules as they are, seen from the bundles in `out`. */
const leavingOut = (modules: ReadonlySet<string>, out: string): Plugin => ({
  name: 'shared',
  setup: (plugin) => {
    plugin.onResolve({ filter: /^\./ }, ({ importer, path }) => {
      const file = resolve(dirname(importer), path);
      return modules.has(file)
        ? { path: relative(out, file).replaceAll('\\', '/'), external: true }
        : undefined;
    });
  },
});

/** What the bundles follow from: the compiled modules, and this file. */
function hashOf(dist: string): string {
  const hash = createHash('sha256').update(readFileSync(import.meta.filename));
  const files = globSync(
    '{bundle,ca,cli,config,core,ct-log,explain,instance,oidc,policy,rekor,signers,storage,tlog,trust,tsa,verify}/**/*.js',
    { cwd: dist },
  );
  for (const file of files.sort()) hash.update(`${file}\0`).update(readFileSync(join(dist, file)));
  return hash.digest('hex');
}
