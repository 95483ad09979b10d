import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { projectRoot } from './support/project-root.ts';

interface LockedPackage {
  readonly version?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly hasInstallScript?: boolean;
}

const RUNTIME = `node-${process.platform}-${process.arch}`;

describe('what npm ci installs', () => {
  const read = (name: string): unknown => JSON.parse(readFileSync(join(projectRoot, name), 'utf8'));
  const packages = (): [string, LockedPackage][] => {
    const { packages: locked } = read('package-lock.json') as { packages: Record<string, LockedPackage> };
    return Object.entries(locked).filter(([path]) => path !== '');
  };

  it('is checked against a hash, to the last package, and comes from no registry in particular', () => {
    const unchecked = packages().filter(([, { integrity }]) => integrity?.startsWith('sha512-') !== true);
    expect(unchecked).to.deep.equal([]);
    expect(packages().filter(([, { resolved }]) => resolved !== undefined)).to.deep.equal([]);
  });

  it('runs no program of a package, which could bring what no hash covers', () => {
    expect(packages().filter(([, { hasInstallScript }]) => hasInstallScript === true)).to.deep.equal([]);
    expect(read('package.json')).not.to.have.property('allowScripts');
    // Those that have such a program stand apart, and their folders run none.
    for (const folder of ['scripts/buf', 'scripts/pkcs11', 'scripts/postgres'])
      expect(readFileSync(join(projectRoot, folder, '.npmrc'), 'utf8')).to.match(/^ignore-scripts=true$/m);
  });

  it('has the runtime of each platform at one version, by its hash', () => {
    const { optionalDependencies } = read('package.json') as { optionalDependencies: Record<string, string> };
    const locked = new Map(packages());
    for (const [name, version] of Object.entries(optionalDependencies)) {
      expect(locked.get(`node_modules/${name}`), name).to.include({ version });
    }
    expect(new Set(Object.values(optionalDependencies)).size).to.equal(1);
  });
});

describe('scripts/pin-runtime.js', () => {
  let checkout: string;
  beforeEach(() => {
    checkout = mkdtempSync(join(tmpdir(), 'mayfly-pin-'));
    mkdirSync(join(checkout, 'scripts'));
    copyFileSync(join(projectRoot, 'scripts/pin-runtime.js'), join(checkout, 'scripts/pin-runtime.js'));
    const manifest = { type: 'module', optionalDependencies: { [RUNTIME]: '24.21.0' } };
    writeFileSync(join(checkout, 'package.json'), JSON.stringify(manifest));
  });
  afterEach(() => {
    rmSync(checkout, { recursive: true });
  });

  const run = (omit = ''): SpawnSyncReturns<string> =>
    spawnSync(process.execPath, [join(checkout, 'scripts/pin-runtime.js')], {
      encoding: 'utf8',
      env: { npm_config_omit: omit },
    });

  /** A runtime that says it is of that version. */
  function install(version: string): void {
    const folder = join(checkout, 'node_modules', RUNTIME, 'bin');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'node'), `#!/bin/sh\necho v${version}\n`);
    chmodSync(join(folder, 'node'), 0o755);
  }

  it('fails the installation when npm left the runtime out, as it does when the bytes are others', () => {
    const { status, stderr } = run();
    expect(status).to.equal(1);
    expect(stderr).to.include(`${RUNTIME}@24.21.0 was not installed`);
  });

  it('fails it when another version is there', () => {
    install('24.20.0');
    expect(run().status).to.equal(1);
  });

  it('makes the runtime the one that npm scripts use where npm did not', () => {
    install('24.21.0');
    expect(run().status).to.equal(0);
    expect(readlinkSync(join(checkout, 'node_modules/.bin/node'))).to.equal(`../${RUNTIME}/bin/node`);
    expect(run().status).to.equal(0);
  });

  it('asks for none where it was left out on purpose, or where none is pinned', () => {
    expect(run('dev optional').status).to.equal(0);
    writeFileSync(join(checkout, 'package.json'), '{"type":"module","optionalDependencies":{}}');
    expect(run().status).to.equal(0);
  });
});
