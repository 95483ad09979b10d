/** A tarball of this checkout, and an empty place to install it in as an ordinary user. */
import { execFileSync, spawnSync, type SpawnSyncReturns } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { giveToOrdinaryUser, ordinaryUser } from './ordinary-user.ts';
import { projectRoot } from './project-root.ts';

/** Name and version as `npm pack` makes its file. */
const { version } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as {
  version: string;
};
export const TARBALL = `mayfly-${version}.tgz`;

/** The environment without what the npm script that runs the tests put there, its runtime among it. */
const plainEnvironment = Object.fromEntries(
  Object.entries(process.env)
    .filter(([name]) => !/^(npm_|NODE_OPTIONS$|INIT_CWD$)/i.test(name))
    .map(([name, value]) => [name, name === 'PATH' ? withoutBins(value ?? '') : value]),
);

function withoutBins(path: string): string {
  return path
    .split(delimiter)
    .filter((folder) => !/[/\\](\.bin|node-gyp-bin)$/.test(folder))
    .join(delimiter);
}

const npm = (...words: string[]): string =>
  execFileSync('npm', words, { cwd: projectRoot, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

/** Packs once for all test files. */
let packed: string | undefined;
function pack(): string {
  if (packed !== undefined) return packed;
  const folder = mkdtempSync(join(tmpdir(), 'mayfly-packed-'));
  process.once('exit', () => {
    rmSync(folder, { recursive: true, force: true });
  });
  npm('pack', '--silent', '--pack-destination', folder);
  return (packed = join(folder, TARBALL));
}

/** A place of its own, with `home`, `work` where the tarball lies, and the folders of `more`. */
export class Place {
  readonly root: string;
  readonly #registry = npm('config', 'get', 'registry').trim();

  static async make(...more: readonly string[]): Promise<Place> {
    const place = new Place();
    for (const folder of ['home', 'work', ...more]) mkdirSync(place.at(folder), { recursive: true });
    copyFileSync(pack(), place.at('work', TARBALL));
    chmodSync(place.root, 0o755);
    await giveToOrdinaryUser(place.root);
    return place;
  }

  private constructor() {
    this.root = mkdtempSync(join(tmpdir(), 'mayfly-installed-'));
  }

  at(...path: readonly string[]): string {
    return join(this.root, ...path);
  }

  /** An executable file; later files of the name are found after it. */
  program(folder: string, name: string, text: string): void {
    writeFileSync(this.at(folder, name), text);
    chmodSync(this.at(folder, name), 0o755);
  }

  /** Runs a script of bash in `work` as the ordinary user, to its end or the first command that fails; `folders` of the
   * place come first on the PATH. */
  run(script: string, folders: readonly string[] = []): SpawnSyncReturns<string> {
    const { PATH = '', ...environment } = plainEnvironment;
    return spawnSync('bash', ['-euo', 'pipefail', '-c', script], {
      ...ordinaryUser,
      cwd: this.at('work'),
      encoding: 'utf8',
      timeout: 240_000,
      env: {
        ...environment,
        PATH: [...folders.map((folder) => this.at(folder)), PATH].join(delimiter),
        HOME: this.at('home'),
        npm_config_cache: this.at('home/.npm'),
        npm_config_registry: this.#registry,
        npm_config_fund: 'false',
        npm_config_audit: 'false',
        npm_config_update_notifier: 'false',
      },
    });
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Names and sizes of what is in the tarball, below its folder `package`. */
export function packedFiles(): readonly string[] {
  const listed = execFileSync('tar', ['-tzf', pack()], { encoding: 'utf8', maxBuffer: 16 * 1024 * 1024 });
  return listed
    .trim()
    .split('\n')
    .map((name) => name.replace(/^package\//, ''));
}
