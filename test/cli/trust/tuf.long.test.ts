/** The procedures of docs/tuf.md, replayed to the letter on a running service, with stock clients that began before. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { parseSigningConfig } from '../../../trust/format/signing-config.ts';
import { emailConfig } from '../../support/data-directory.ts';
import { startIssuer, type TestIssuer } from '../../support/oidc-issuer.ts';
import {
  ANYWHERE,
  runMayfly,
  startMayfly,
  type MayflyProcess,
  type MayflyResult,
} from '../../support/mayfly.ts';
import { projectRoot } from '../../support/project-root.ts';
import { removeScratch, stockClients, type StockClient } from '../../trust/tuf/support/repository.ts';

/** The blocks of a section, each one command line. */
function commandsOf(section: string): readonly string[] {
  const text = readFileSync(join(projectRoot, 'docs/tuf.md'), 'utf8');
  const [, said = ''] = new RegExp(`^## ${section}\\n([^]*?)(?:^## |$(?![^]))`, 'm').exec(text) ?? [];
  const blocks = [...said.matchAll(/^```\n([^]*?)^```$/gm)].map(([, block = '']) => block.trim());
  expect(blocks, section).to.not.deep.equal([]);
  return blocks;
}

interface Status {
  readonly roles: readonly {
    role: string;
    version: number;
    end: string;
    threshold: number;
    keys: readonly string[];
  }[];
  readonly differences: Readonly<Record<string, string>>;
}

describe('mayfly trust tuf', function () {
  this.timeout(180_000);
  let scratch: string;
  let issuer: TestIssuer;
  let service: MayflyProcess;
  let url: string;
  let clients: readonly StockClient[];

  before(async () => (issuer = await startIssuer()));
  after(() => issuer.close());
  beforeEach(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'mayfly-tuf-docs-'));
    for (const [name, secret] of [
      ['pass', 'of the server'],
      ['root-passphrase', 'of the root'],
    ] as const)
      await writeFile(join(scratch, name), `${secret}\n`, { mode: 0o600 });
    const words = [
      '--root-key-out',
      'root.key.pem',
      '--passphrase-file',
      'pass',
      '--root-passphrase-file',
      'root-passphrase',
    ];
    const made = await run(
      'init',
      '--data',
      'data',
      ...words,
      '--public-url',
      'https://ca.example.org',
      '--origin',
      'ca.example.org/log/2026',
    );
    expect(made.code, made.stderr).to.equal(0);
    expect(made.stdout).to.match(/TUF root {5}1\.root\.json, SHA-256 [0-9a-f]{64}/);
    configure('https://ca.example.org');
  });
  afterEach(async () => {
    service.child.kill('SIGTERM');
    await service.ended;
    removeScratch();
    await rm(scratch, { recursive: true });
  });

  const path = (...parts: string[]): string => join(scratch, ...parts);
  const run = (...args: string[]): Promise<MayflyResult> => runMayfly(args, { cwd: scratch });
  const configure = (publicUrl: string, more = ''): void => {
    const mayfly = `{public-url: '${publicUrl}'${more}}`;
    writeFileSync(path('data', 'config.yaml'), emailConfig(issuer.url, mayfly));
  };

  async function serve(listen = '127.0.0.1:0'): Promise<void> {
    const words = ['--passphrase-file', 'pass', ...ANYWHERE, '--listen', listen, '--json'];
    service = startMayfly(['serve', '--data', 'data', ...words], { cwd: scratch });
    ({ url } = JSON.parse(await service.firstLine) as { url: string });
  }

  async function begin(): Promise<void> {
    await serve();
    const root = new Uint8Array(await (await fetch(`${url}/tuf/1.root.json`)).arrayBuffer());
    clients = stockClients(`${url}/tuf`, root);
    await replay('Change what clients trust', 0);
    for (const client of clients) await client.fetch('trusted_root.json');
  }

  /** Runs the blocks of a section, from the first to before the end, with replacements of what only the reader knows. */
  async function replay(
    section: string,
    end?: number,
    words: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    let printed = '';
    for (const block of commandsOf(section).slice(0, end)) {
      const line = Object.entries(words).reduce((text, [word, value]) => text.replaceAll(word, value), block);
      const [program, ...args] = line.split(' ');
      if (program !== 'mayfly') {
        execFileSync(program ?? '', args, { cwd: scratch });
        continue;
      }
      const { code, stdout, stderr } = await run(...args);
      expect(code, `${line}\n${stderr}`).to.equal(0);
      printed += stdout;
    }
    return printed;
  }

  async function status(): Promise<Status> {
    return JSON.parse((await run('trust', 'tuf', 'status', '--data', 'data', '--json')).stdout) as Status;
  }
  const role = async (name: string): Promise<Status['roles'][number]> => {
    const found = (await status()).roles.find((one) => one.role === name);
    if (found === undefined) throw new Error(`there is no ${name}`);
    return found;
  };

  /** Waits until the service serves what the directory has, and has all clients get it. */
  async function expectClients(publicUrl: string): Promise<void> {
    const { version } = await role('targets');
    for (;;) {
      if (
        (await fetch(`${url}/tuf/${version}.targets.json`)).ok &&
        (await servedRoot()) === (await role('root')).version
      )
        break;
      await delay(100);
    }
    for (const client of clients) {
      const config = parseSigningConfig(await client.fetch('signing_config.v0.2.json'));
      expect(
        config.certificateAuthorities.map((one) => one.url),
        client.name,
      ).to.deep.equal([publicUrl]);
    }
  }
  const servedRoot = async (): Promise<number> =>
    ((await (await fetch(`${url}/tuf/root.json`)).json()) as { signed: { version: number } }).signed.version;

  it('changes what clients trust, is signed anew each year, and gets a restored backup right', async () => {
    await begin();
    await expectClients('https://ca.example.org');
    cpSync(path('data', 'tuf'), path('backup'), { recursive: true });
    // The logs of artifacts have the name of the old host for good.
    configure('https://new.example.org', ', artifact-log: {v1: false, v2: false}');
    expect((await run('trust', 'tuf', 'status', '--data', 'data')).code).to.equal(1);
    const printed = await replay('Change what clients trust');
    expect(printed)
      .to.match(/Targets: version \d+ becomes \d+/)
      .and.to.include('signing_config.v0.2.json changes');
    expect(printed)
      .to.include('has another URL: what is accepted stays the same')
      .and.to.match(/Published:/);
    await expectClients('https://new.example.org');
    const { stderr } = await run('trust', 'tuf', 'stage', '--data', 'data', '--out', 'nothing.json');
    expect(stderr).to.include('nothing would change');
    expect(await replay('Once a year')).to.include('Root: version 1 becomes 2');
    await expectClients('https://new.example.org');

    service.child.kill('SIGTERM');
    await service.ended;
    rmSync(path('data', 'tuf'), { recursive: true });
    cpSync(path('backup'), path('data', 'tuf'), { recursive: true });
    // At the address that the clients have.
    await serve(new URL(url).host);
    for (const client of clients)
      expect(await client.fetch('trusted_root.json').catch(String)).to.match(/refreshing|version/i);
    await replay('After a backup was restored');
    await replay('After a backup was restored', undefined, { 'change.json': 'year.json' });
    expect((await role('root')).version).to.equal(2);
    const { stdout } = await run(
      'trust',
      'tuf',
      'import',
      'year.json',
      '--data',
      'data',
      '--passphrase-file',
      'pass',
    );
    expect(stdout).to.include('All of it is published already');
    await expectClients('https://new.example.org');
  });

  it('shares the keys among several signers, and takes one away', async () => {
    await begin();
    const [old = ''] = (await role('root')).keys;
    const blocks = commandsOf('Several signers');
    const first = blocks.findIndex((block) => block.includes('--remove-key'));
    const printed = await replay('Several signers', first);
    expect(printed).to.include('root: 2 signatures are needed instead of 1.');
    expect(await role('targets')).to.deep.include({ threshold: 2 });
    await expectClients('https://ca.example.org');
    for (const block of blocks.slice(first)) {
      const { code, stderr } = await run(...block.replace('OLDKEYID', old.slice(0, 12)).split(' ').slice(1));
      expect(code, `${block}\n${stderr}`).to.equal(0);
    }
    expect((await role('root')).keys)
      .to.have.length(2)
      .and.to.not.include(old);
    await expectClients('https://ca.example.org');
    configure('https://new.example.org');
    await run('trust', 'tuf', 'stage', '--data', 'data', '--out', 'last.json');
    const refused = await run(
      'trust',
      'tuf',
      'sign',
      'last.json',
      '--key',
      'tuf-root.key.pem',
      '--passphrase-file',
      'root-passphrase',
    );
    expect(refused.stderr).to.include('has nothing to sign here');
  });

  it('replaces the online key, also one that is lost, while the service runs', async () => {
    await begin();
    const [old] = (await role('timestamp')).keys;
    const printed = await replay('The online key');
    expect(printed).to.include('timestamp: key').and.to.include('is the new one.');
    expect((await role('timestamp')).keys).to.not.include(old);
    expect(existsSync(path('data', 'keys', 'tuf-online.next.key.pem'))).to.equal(false);
    await expectClients('https://ca.example.org');
    rmSync(path('data', 'keys', 'tuf-online.key.pem'));
    await replay('The online key', undefined, { 'online.json': 'again.json' });
    await expectClients('https://ca.example.org');
    expect(service.stderr()).to.not.include('cannot be read or signed');
  });

  it('gets clients back that follow an online key which no backup has', async () => {
    await begin();
    for (const part of ['tuf', 'keys']) cpSync(path('data', part), path('backup', part), { recursive: true });
    expect(await replay('The online key')).to.include('Make a backup of the directory now');
    await expectClients('https://ca.example.org');
    service.child.kill('SIGTERM');
    await service.ended;
    for (const part of ['tuf', 'keys']) {
      rmSync(path('data', part), { recursive: true });
      cpSync(path('backup', part), path('data', part), { recursive: true });
    }
    await serve(new URL(url).host);
    for (const client of clients)
      expect(await client.fetch('trusted_root.json').catch(String), client.name).to.match(/sign|refreshing/i);
    await replay('A backup from before another online key');
    expect((await role('root')).version).to.equal(3);
    await expectClients('https://ca.example.org');
  });

  it('puts another repository in the place of one, while the service runs, with roots that no cache has', async () => {
    await begin();
    const printed = await replay('Another repository in place of one');
    expect(printed).to.include('/tuf/1001.root.json');
    while (!(await fetch(`${url}/tuf/1001.root.json`)).ok) await delay(100);
    expect((await fetch(`${url}/tuf/1.root.json`)).status).to.equal(404);
    const root = new Uint8Array(await (await fetch(`${url}/tuf/1001.root.json`)).arrayBuffer());
    clients = stockClients(`${url}/tuf`, root);
    await expectClients('https://ca.example.org');
    const year = await replay('Once a year', undefined, { 'tuf-root.key.pem': 'tuf-root-2.key.pem' });
    expect(year).to.include('Root: version 1001 becomes 1002');
    await expectClients('https://ca.example.org');
  });

  it('makes a repository in a directory that has none, while the service runs', async () => {
    rmSync(path('data', 'tuf'), { recursive: true });
    rmSync(path('data', 'keys', 'tuf-online.key.pem'));
    rmSync(path('tuf-root.key.pem'));
    await serve();
    expect((await fetch(`${url}/tuf/root.json`)).status).to.equal(404);
    const none = await run('trust', 'tuf', 'status', '--data', 'data');
    expect([none.code, none.stderr]).to.satisfy(
      ([code, text]: [number, string]) => code === 1 && text.includes('there is no TUF repository'),
    );
    const printed = await replay('Make a repository in an older directory');
    const [, checksum = ''] = / --root-checksum ([0-9a-f]{64})/.exec(printed) ?? [];
    while (!(await fetch(`${url}/tuf/root.json`)).ok) await delay(100);
    const root = new Uint8Array(await (await fetch(`${url}/tuf/1.root.json`)).arrayBuffer());
    expect(Buffer.from(await crypto.subtle.digest('SHA-256', root)).toString('hex')).to.equal(checksum);
    clients = stockClients(`${url}/tuf`, root);
    await expectClients('https://ca.example.org');
    const again = await run('trust', 'tuf', 'init', '--data', 'data', '--tuf-root-key-out', 'other.pem');
    expect(again.stderr).to.include('holds a TUF repository already');
    expect(existsSync(path('other.pem'))).to.equal(false);
  });
});
