import { existsSync } from 'node:fs';

/** What Node before 22.18 needs to run sources. */
const FOR_SOURCES: readonly string[] = ['--experimental-strip-types', '--experimental-transform-types'];

/** A module to be run in a thread or process of its own. */
interface OwnModule {
  readonly url: URL;
  /** Flags for Node. Those of this process are left out: an inspector's port is taken by then, and what is meant for
   * `--eval` keeps a worker from starting. */
  readonly execArgv: readonly string[];
}

/** The module `name`, without extension, relative to the module with `import.meta.url` `base`: `.js` in a build, or `.cjs` where that made one file of it and all that it imports; `.ts` when
 * Node runs the sources, for the compiler rewrites imports but not URLs. */
export function moduleBeside(base: string, name: string): OwnModule {
  const as = (extension: string): URL => new URL(`./${name}.${extension}`, base);
  if (base.endsWith('.ts'))
    return { url: as('ts'), execArgv: process.execArgv.filter((flag) => FOR_SOURCES.includes(flag)) };
  return { url: existsSync(as('cjs')) ? as('cjs') : as('js'), execArgv: [] };
}
