/**
 * Writes `npm-shrinkwrap.json` for a tarball that is being packed; with `--remove`, deletes it again.
 *
 * npm packs no package-lock.json. Without a lock, whoever installs the tarball would get what a registry serves on that
 * day below the direct dependencies. A shrinkwrap is the same list, and npm follows it to the last hash. It names only
 * what production needs.
 *
 * In a checkout the file would hide package-lock.json: what a pack that broke off leaves behind makes `npm ci` fail,
 * and `npm pack` or this script with `--remove` takes it away.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

interface LockedPackage {
  readonly dev?: boolean;
  readonly devDependencies?: unknown;
}

interface Lock {
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

const root = dirname(import.meta.dirname);
const shrinkwrap = join(root, 'npm-shrinkwrap.json');
if (process.argv.includes('--remove')) rmSync(shrinkwrap, { force: true });
else writeFileSync(shrinkwrap, `${JSON.stringify(ofProduction(readLock()), undefined, 2)}\n`);

function readLock(): Lock {
  return JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lock;
}

function ofProduction(lock: Lock): Lock {
  const kept = Object.entries(lock.packages).filter(([, { dev }]) => dev !== true);
  return {
    ...lock,
    packages: Object.fromEntries(
      kept.map(([path, { devDependencies: _, ...rest }]) => [path, rest] as const),
    ),
  };
}
