/**
 * Makes one file of the program with each command that is run again and again, and one of each thread, and compiles those of commands: to load hundreds of small modules one by one takes longer than
 * all that such a command does. `bin/mayfly.js` starts the files of commands where they are there, and `storage/module-beside.ts` those of threads. They are CommonJS, whose compiled code can be kept, and
 * for which a thread needs no loader of modules.
 *
 * Commands and threads stay what they are in their own modules, which tests load: nothing here may change what the program does.
 */
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { bundleCommand, bundleThread, type BundledCommand } from './bundle.ts';
import { compileCommand, SAMPLES } from './compile-command.ts';

const COMMANDS: readonly BundledCommand[] = [
  { name: 'sign/sign' },
  { name: 'sign/attest' },
  { name: 'verify/verify' },
  { name: 'certificate/certificate' },
  { name: 'instance/serve', withPackages: true },
];

/** Rooms of the program. */
const ROOMS =
  '{audit,bundle,ca,cli,config,core,ct-log,explain,instance,oidc,policy,rekor,search,server,service,signers,storage,tlog,trust,tsa,verify,witness}';

/** Modules that threads begin with. */
const THREADS = `${ROOMS}/**/*-worker`;

/** Writes `commands/` in the directory of the build, and a file beside each module that a thread begins with; nothing where all is as it would be. Rejects where a module cannot be bundled. */
export async function bundleCommands(dist: string): Promise<void> {
  const out = join(dist, 'commands');
  const mark = join(out, 'made-of');
  const inputs = hashOf(dist);
  if (existsSync(mark) && readFileSync(mark, 'utf8') === inputs) return;
  const inDist = { cwd: dist };
  for (const file of globSync(`${THREADS}.cjs`, inDist)) rmSync(join(dist, file));
  rmSync(out, { recursive: true, force: true });
  const threads = globSync(`${THREADS}.js`, inDist).map((file) => bundleThread(dist, join(dist, file)));
  const commands = COMMANDS.map((command) => bundleCommand(dist, out, command));
  const bundles = await Promise.all([...threads, ...commands]);
  mkdirSync(out, { recursive: true });
  for (const { path, text } of bundles) writeFileSync(path, text);
  const program = join(import.meta.dirname, '../bin/mayfly.js');
  for (const { path } of bundles.slice(threads.length))
    await compileCommand(basename(path, '.cjs'), path, program);
  writeFileSync(mark, inputs);
}

/** What the bundles and their code follow from: the compiled modules, how they are bundled and compiled, and the Node that does it. */
function hashOf(dist: string): string {
  const hash = createHash('sha256').update(`${process.version} ${process.arch}\0`);
  const beside = [
    'bundle.ts',
    'compile-command.ts',
    '../bin/compiled.js',
    '../bin/flags.js',
    '../package-lock.json',
  ];
  const makers = [
    import.meta.filename,
    ...beside.map((name) => join(import.meta.dirname, name)),
    ...globSync(`${SAMPLES}/*/*`).sort(),
  ];
  for (const file of makers) hash.update(readFileSync(file));
  const files = globSync(`${ROOMS}/**/*.js`, { cwd: dist });
  for (const file of files.sort()) hash.update(`${file}\0`).update(readFileSync(join(dist, file)));
  return hash.digest('hex');
}
