import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { packedFiles } from '../support/installation.ts';
import { projectRoot } from '../support/project-root.ts';

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly bundleDependencies: readonly string[];
}

interface Lock {
  readonly packages: Readonly<
    Record<string, { readonly dev?: boolean; readonly optional?: boolean; readonly devOptional?: boolean }>
  >;
}

describe('the tarball of npm pack', function () {
  this.timeout(300_000);
  const read = (name: string): unknown => JSON.parse(readFileSync(join(projectRoot, name), 'utf8'));
  let files: readonly string[];
  before(() => {
    files = packedFiles();
  });

  it('holds the program, its documentation and its unit, and nothing else of ours', () => {
    const ours = files.filter((name) => !name.startsWith('node_modules/'));
    const strange = ours.filter(
      (name) =>
        !/^(bin\/\w+\.js|docs\/(decisions\/)?[\w.-]+|packaging\/systemd\/mayfly\.service|proto\/[\w/]+\.proto|package\.json)$/.test(
          name,
        ) &&
        !/^(README\.md|CHANGELOG\.md|LICENSE|dist\/build\.json)$/.test(name) &&
        !/^dist\/(audit|bundle|ca|cli|config|core|ct-log|dev|explain|instance|oidc|policy|rekor|search|server|service|signers|storage|tlog|trust|tsa|verify|witness)\/.+\.js$/.test(
          name,
        ) &&
        !/^dist\/commands\/\w+\.cjs$/.test(name) &&
        !/^dist\/(oidc|policy|rekor|search|service|tlog)\/.+-worker\.cjs$/.test(name) &&
        !/^dist\/((bundle|core|ct-log|rekor|tlog|trust|tsa|verify)\/.+|cli\/verify\/platform-crypto)\.d\.ts$/.test(
          name,
        ),
    );
    expect(strange).to.deep.equal([]);
    expect(ours).to.include.members([
      'bin/mayfly.js',
      'dist/cli/main.js',
      'docs/install.md',
      'dist/build.json',
      'dist/commands/sign.cjs',
      'dist/commands/serve.cjs',
      ...ours.filter((name) => name.endsWith('-worker.js')).map((name) => name.replace(/\.js$/, '.cjs')),
    ]);
  });

  it('brings every package that runs, at what the lock names, and no other', () => {
    const { packages } = read('package-lock.json') as Lock;
    const run = Object.entries(packages).filter(
      ([path, { dev, optional, devOptional }]) =>
        path !== '' && dev !== true && optional !== true && devOptional !== true,
    );
    const brought = files.filter((name) => /^(node_modules\/(@[^/]+\/)?[^/]+\/)+package\.json$/.test(name));
    const folders = new Set(brought.map((name) => name.replace(/\/package\.json$/, '')));
    const missing = run.map(([path]) => path).filter((path) => !folders.has(path));
    expect(missing, 'name them, peers too, in dependencies and bundleDependencies').to.deep.equal([]);
    const development = Object.keys(packages).filter((path) => packages[path]?.dev === true);
    expect(development.filter((path) => folders.has(path))).to.deep.equal([]);
  });

  it('holds every file that the package exports, and the types that those need', () => {
    const { exports } = read('package.json') as { exports: Record<string, string | Record<string, string>> };
    const exported = Object.values(exports).flatMap((one) =>
      typeof one === 'string' ? [one] : Object.values(one),
    );
    expect(files).to.include.members(exported.map((name) => name.replace(/^\.\//, '')));
    const types = files.filter((name) => name.startsWith('dist/') && name.endsWith('.d.ts'));
    expect(types.length).to.be.above(10);
    for (const name of types) {
      const imports = readFileSync(join(projectRoot, name), 'utf8').matchAll(
        /(?:from |import\()['"](\.[^'"]+)\.ts['"]/g,
      );
      for (const [, specifier = ''] of imports)
        expect(files, name).to.include(`${join(dirname(name), specifier)}.d.ts`);
    }
  });

  it('names the same packages as dependencies and as bundled', () => {
    const { dependencies, bundleDependencies } = read('package.json') as Manifest;
    expect(bundleDependencies).to.deep.equal(Object.keys(dependencies));
  });

  it('runs no script where it is installed', () => {
    const { scripts } = read('package.json') as { scripts: Record<string, string> };
    const lifecycle = [
      'preinstall',
      'install',
      'postinstall',
      'prepublish',
      'preprepare',
      'prepare',
      'postprepare',
    ];
    expect(Object.keys(scripts)).not.to.include.oneOf(lifecycle);
  });
});
