import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import { runMayfly } from './support/mayfly.ts';
import { projectRoot } from './support/project-root.ts';

interface Compose {
  readonly services: Readonly<
    Record<string, { readonly command: string[]; readonly ports?: string[]; readonly image?: string }>
  >;
}

/** No engine runs here: this holds the files to what can be known by reading. */
describe('Dockerfile and compose.yaml', () => {
  const read = (name: string): string => readFileSync(join(projectRoot, name), 'utf8');
  const compose = (): Compose => parse(read('compose.yaml')) as Compose;

  it('run the same Node as npm ci brings, every image pinned by digest', () => {
    const { optionalDependencies } = JSON.parse(read('package.json')) as {
      optionalDependencies: Record<string, string>;
    };
    const versions = new Set(Object.values(optionalDependencies));
    expect(read('Dockerfile')).to.match(/^ARG NODE=node:[\d.]+-bookworm-slim@sha256:[0-9a-f]{64}$/m);
    expect(
      [...versions].map((version) => read('Dockerfile').includes(`ARG NODE=node:${version}-`)),
    ).to.deep.equal([true]);
    expect([...read('Dockerfile').matchAll(/^FROM (\S+)/gm)].map((match) => match[1])).to.deep.equal(
      Array(3).fill('${NODE}'),
    );
    expect(compose().services['proxy']?.image).to.match(/@sha256:[0-9a-f]{64}$/);
  });

  it('run serve, not as root, on one volume', () => {
    const last =
      read('Dockerfile')
        .split(/^FROM /m)
        .at(-1) ?? '';
    expect(last)
      .to.match(/^USER 1000:1000$/m)
      .and.to.match(/^VOLUME \/var\/lib\/mayfly$/m);
    expect(last).to.include('CMD ["serve", "--data", "/var/lib/mayfly"]');
    expect(last)
      .to.include('/readyz')
      .and.to.match(/^HEALTHCHECK /m);
  });

  it('use options that exist, and plain HTTP only where no port is published', async () => {
    const { command, ports } = compose().services['mayfly'] ?? { command: [] };
    const help = await runMayfly(['serve', '--help']);
    expect(command[0]).to.equal('serve');
    for (const word of command.slice(1)) expect(help.stdout).to.include(`${String(word.split('=')[0])} `);
    expect(command).to.include('--behind-tls-proxy');
    expect(ports).to.equal(undefined);
    expect(compose().services['proxy']?.command).to.include('--to=mayfly:5555');
  });

  it('keep keys out of the image', () => {
    const ignored = read('.dockerignore').split('\n');
    for (const name of ['**/*.pem', '**/*.p12', '**/passphrase*', 'data', '.mayfly', 'offline', '.git'])
      expect(ignored).to.include(name);
  });
});
