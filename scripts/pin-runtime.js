// Runs at the end of `npm ci` in a checkout, under whatever Node the machine has, and so in plain JavaScript: from here
// on the npm scripts run under the pinned runtime, or the installation fails. It is the script `dependencies`, which npm
// does not run where the package is installed as a dependency.
//
// The runtime is an optional dependency, one package for each platform, so that package-lock.json holds its hash. What
// is optional npm leaves out without a word when its bytes are not the ones that the lockfile names; everything would
// then be built and tested by the Node that happens to be there. And npm 10 links no command that two packages of the
// lockfile bring, even where only one of them is installed.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const isWindows = process.platform === 'win32';
const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

const name = `node-${isWindows ? 'win' : process.platform}-${process.arch}`;
const { optionalDependencies } = JSON.parse(readFileSync(at('package.json'), 'utf8'));
const pinned = optionalDependencies[name];
const leftOut = (process.env.npm_config_omit ?? '').split(/\s+/).includes('optional');
if (pinned !== undefined && !leftOut) pin(pinned);

function pin(version) {
  const runtime = at(`node_modules/${name}/bin/${isWindows ? 'node.exe' : 'node'}`);
  const found = existsSync(runtime)
    ? execFileSync(runtime, ['--version'], { encoding: 'utf8' }).trim()
    : 'none';
  if (found !== `v${version}`) {
    console.error(
      `The pinned runtime ${name}@${version} was not installed (found: ${found}): it could not be fetched, or its ` +
        'bytes are not the ones that package-lock.json names. Run `npm ci` again.',
    );
    process.exitCode = 1;
  } else if (!isWindows && !existsSync(at('node_modules/.bin/node'))) {
    mkdirSync(at('node_modules/.bin'), { recursive: true });
    symlinkSync(`../${name}/bin/node`, at('node_modules/.bin/node'));
  }
}
