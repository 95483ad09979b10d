import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { runMayfly, type MayflyResult } from '../../support/mayfly.ts';

const SHAPE = 'test/vectors/trust-shapes/rekor1-tsa';
const ROOT = readFileSync(`${SHAPE}/trusted_root.json`, 'utf8');

describe('mayfly trust show and diff', function () {
  this.timeout(120_000);
  let cwd: string;
  let server: Server;
  let answers: Readonly<Record<string, string>> = {};
  before(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'mayfly-show-'));
    await writeFile(join(cwd, 'root.json'), ROOT);
    server = createServer((request, response) => {
      const body = answers[request.url ?? ''];
      response.writeHead(body === undefined ? 404 : 200).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  after(async () => {
    server.close();
    await rm(cwd, { recursive: true });
  });
  const url = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const trust = (...args: string[]): Promise<MayflyResult> => runMayfly(['trust', ...args], { cwd });

  it('shows a file, a client trust config, a directory and a service alike', async () => {
    await runMayfly(['init', '--data', 'data', '--keep-root-key', '--public-url', 'https://ca.example'], {
      cwd,
    });
    await trust('export', '--data', 'data', '--out', 'trust');
    const shown = await trust('show', 'root.json');
    expect([shown.code, shown.stderr]).to.deep.equal([0, '']);
    expect(shown.stdout).to.match(
      /^KIND +STATE +FROM +TO +CERTIFICATES END +NAME\nCA +in force +2026-11-29T03:57:18Z/,
    );
    expect(shown.stdout).to.include('Next to end: a certificate of the CA CN=Interop CA intermediate');
    const both = join(process.cwd(), SHAPE, 'client_trust_config.json');
    expect((await trust('show', both)).stdout).to.equal(shown.stdout);
    answers = { '/base/trust/trusted_root.json': ROOT, '/other.json': ROOT };
    for (const at of ['/base', '/base/', '/base/trust/', '/other.json'])
      expect((await trust('show', `${url()}${at}`)).stdout, at).to.equal(shown.stdout);
    const json = JSON.parse((await trust('show', '--json')).stdout) as { entries: Record<string, unknown>[] };
    expect(json.entries.map(({ kind, state, to }) => [kind, state, to])).to.deep.equal([
      ['CA', 'in force', null],
      ['certificate log', 'in force', null],
      ['timestamp authority', 'in force', null],
      ['artifact log', 'in force', null],
      ['artifact log', 'in force', null],
    ]);
    const own = await trust('show', 'data');
    expect(own.stdout).to.include('artifact log').and.not.to.include('note:');
    const same = await trust('diff', 'trust', 'data');
    expect([same.code, same.stdout, same.stderr]).to.deep.equal([0, 'They trust the same.\n', '']);
    const other = await trust('diff', 'trust', 'root.json');
    expect(other.code).to.equal(1);
    expect(other.stdout).to.include('clients with trust refuse its certificates').and.to.include('is gone');
  });

  it('prints what it is given by others so that a terminal stays what it is, and refuses the rest', async () => {
    const hostile = ROOT.replace('http://127.0.0.1:7700/log/2026/', '\\u001b[2J\\u202e\\nOK');
    await writeFile(join(cwd, 'hostile.json'), hostile);
    const { code, stdout } = await trust('show', 'hostile.json');
    expect(code).to.equal(0);
    expect(stdout).to.include('\\u{1b}[2J\\u{202e}\\u{a}OK');
    expect(
      Array.from(stdout).filter((letter) => letter !== '\n' && (letter < ' ' || letter > '–')),
    ).to.deep.equal([]);
    answers = {
      '/huge.json': ' '.repeat(9 << 20),
      '/html.json': '<html>',
      '/deep.json': '['.repeat(100_000),
    };
    for (const [source, status, part] of [
      [`${url()}/huge.json`, 3, /longer than/],
      [`${url()}/html.json`, 3, /is no trusted root/],
      [`${url()}/deep.json`, 3, /is no trusted root/],
      [`${url()}/none`, 3, /status 404/],
      ['nowhere', 2, /cannot be read/],
      [cwd, 2, /trusted_root\.json cannot be read/],
      ['/dev/zero', 2, /is not a file/],
    ] as const) {
      const refused = await trust('show', source);
      expect([refused.code, refused.stdout, part.test(refused.stderr)], refused.stderr).to.deep.equal([
        status,
        '',
        true,
      ]);
      expect((await trust('diff', 'root.json', source)).code).to.equal(status);
    }
  });
});
