import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { makeDataDirectory } from '../support/data-directory.ts';
import { projectRoot } from '../support/project-root.ts';
import { ANYWHERE, mayflyWords } from '../support/mayfly.ts';
import { skipUnless } from '../support/skipped.ts';

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const recorder = new URL(`../support/loaded-modules.${extension}`, import.meta.url).href;
const root = pathToFileURL(`${projectRoot}/`).href;

/** The development provider: our rooms for it, and the library below it. */
const PROVIDER = /^(dist\/)?(cli\/instance\/)?dev[/.]|(^|\/)node_modules\/oidc-provider\//;

/** Modules of Node that take long to load, and that no help text needs. */
const SLOW = new Set(['node:child_process', 'node:https', 'node:tls', 'node:worker_threads']);

describe('cli: what a process loads', function () {
  this.timeout(60_000);
  let scratch: string;
  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'mayfly-loading-'));
  });
  after(() => rm(scratch, { recursive: true }));

  /** The modules that the command loads, ours relative to the checkout. With --json it is asked to stop when it is
   * ready, else it ends by itself. */
  async function loadedBy(...args: string[]): Promise<string[]> {
    const file = join(scratch, `${args[0] ?? ''}.json`);
    const child = spawn(process.execPath, ['--import', recorder, ...mayflyWords(args)], {
      env: { ...process.env, LOADED_MODULES: file },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const ended = once(child, 'exit');
    child.stdout.once('data', () => {
      if (args.includes('--json')) child.kill('SIGTERM');
    });
    await ended;
    const urls = JSON.parse(await readFile(file, 'utf8')) as string[];
    return urls.map((url) => (url.startsWith(root) ? url.slice(root.length) : url));
  }

  it('never loads the development provider into a service', async () => {
    const data = join(scratch, 'data');
    await makeDataDirectory(data);
    const loaded = await loadedBy('serve', '--data', data, ...ANYWHERE, '--json');
    expect(loaded.filter((path) => PROVIDER.test(path))).to.deep.equal([]);
    if (extension === 'ts') {
      expect(loaded.some((path) => path.includes('server/http/http-listener.'))).to.equal(true);
      return;
    }
    // A build made one file of it, and of each thread.
    expect(loaded).to.include('bin/compiled.js');
    expect(
      loaded.filter((path) => /^dist\/(?!test\/)|node_modules\//.test(path)),
      'name the package in scripts/bundle.ts, or import it when it is needed',
    ).to.deep.equal([]);
    const service = await readFile(join(projectRoot, 'dist/commands/serve.cjs'), 'utf8');
    expect(service).to.include('createHttpServer').and.not.include('oidc-provider');
  });

  it('begins each thread of a build with one file, whose own modules it does not load', async function () {
    skipUnless(this, extension === 'js', 'from source, each module is loaded for itself');
    const folders = ['oidc', 'policy', 'rekor', 'search', 'service', 'tlog'];
    const threads = globSync(`dist/{${folders.join(',')}}/**/*-worker.cjs`, { cwd: projectRoot });
    expect(threads).to.include.members(['dist/tlog/store/commit-store-worker.cjs']);
    for (const file of threads) {
      const text = await readFile(join(projectRoot, file), 'utf8');
      expect(/require\("\.[^"]*"\)/.exec(text)?.[0], file).to.equal(undefined);
    }
  });

  it('would see it: the development command does load it', async () => {
    const ports = ['--listen', '--issuer-listen', '--metrics-listen'].flatMap((name) => [
      name,
      '127.0.0.1:0',
    ]);
    const loaded = await loadedBy('dev', '--data', join(scratch, 'dev'), ...ports, '--json');
    const seen = loaded.filter((path) => PROVIDER.test(path));
    expect(seen.some((path) => path.includes('oidc-provider'))).to.equal(true);
    expect(seen.some((path) => /(^|\/)cli\/instance\/dev\./.test(path))).to.equal(true);
    // What takes long to load, before the first request that needs it.
    expect(loaded.some((path) => path.includes('rekor/entries/ed25519ph.'))).to.equal(true);
  });

  it('loads a command that is run again and again as one file, from a build', async function () {
    skipUnless(this, extension === 'js', 'from source, each module is loaded for itself');
    for (const name of ['sign', 'attest', 'verify', 'certificate']) {
      const loaded = await loadedBy(name, '--help');
      // It reads the one file, which is no module.
      expect(loaded).to.include('bin/compiled.js');
      expect(loaded.filter((path) => /^dist\/(?!commands\/|test\/)|node_modules\//.test(path))).to.deep.equal(
        [],
      );
      expect(loaded.filter((path) => SLOW.has(path))).to.deep.equal([]);
    }
  });

  it('loads no server into the client', async () => {
    const loaded = await loadedBy('certificate', '--help');
    expect(loaded.some((path) => /cli\/certificate\/certificate\.|bin\/compiled\.js/.test(path))).to.equal(
      true,
    );
    expect(
      loaded.filter((path) => /^(dist\/)?(?:server|service)\/|(^|\/)node_modules\/express\//.test(path)),
    ).to.deep.equal([]);
  });
});
