/** A newcomer's first minutes, with the program that `npm start` runs. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { approveDevice, logIn } from '../support/browser.ts';
import { startDevInstance, type DevInstance } from '../support/dev-instance.ts';
import { cliWords } from '../support/run-cli.ts';

const run = promisify(execFile);

/** Built, the program is bin/mayfly.js itself; from source, what it would load. */
const words = import.meta.url.endsWith('.js')
  ? [fileURLToPath(new URL('../../../bin/mayfly.js', import.meta.url))]
  : cliWords([]);

describe('the first certificate', function () {
  this.timeout(90_000);
  let directory: string;
  let running: DevInstance | undefined;
  const children: ChildProcess[] = [];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mayfly-e2e-'));
  });

  afterEach(async () => {
    await running?.stop('SIGKILL');
    running = undefined;
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await rm(directory, { recursive: true });
  });

  const environment = { PATH: process.env['PATH'], HOME: process.env['HOME'] };

  const mayfly = async (...args: string[]): Promise<string> =>
    (await run(process.execPath, [...words, ...args], { cwd: directory, env: environment })).stdout;

  /** Starts a command that talks to a person; `said` returns what it says on that stream as soon as it matches. */
  function start(args: readonly string[], stream: 'stdout' | 'stderr') {
    const child = spawn(process.execPath, [...words, ...args], { cwd: directory, env: environment });
    children.push(child);
    let text = '';
    const closed = once(child, 'close') as Promise<[number | null]>;
    const said = (pattern: RegExp): Promise<RegExpExecArray> =>
      new Promise((resolve, reject) => {
        child[stream].setEncoding('utf8').on('data', (more: string) => {
          text += more;
          const match = pattern.exec(text);
          if (match !== null) resolve(match);
        });
        closed.then(() => {
          reject(new Error(`it ended and said: ${text}`));
        }, reject);
      });
    return { child, said, closed };
  }

  async function verifyEverything(out: string, identity: string, instance: DevInstance): Promise<void> {
    await mayfly('trust', 'export', '--data', instance.data, '--out', 'trust');
    const who = ['--identity', identity, '--issuer', instance.issuerUrl];
    const verified = await mayfly(
      'verify',
      'certificate',
      `${out}/cert.pem`,
      '--trust',
      'trust',
      ...who,
      '--json',
    );
    expect(JSON.parse(verified)).to.include({ ok: true, identity, issuer: instance.issuerUrl });
    await mayfly('log', 'proof', `${out}/cert.pem`, '--url', instance.logUrl, '--out', 'cert.tlog-proof');
    const proof = ['--proof', 'cert.tlog-proof', '--require-inclusion'];
    await mayfly('verify', 'certificate', `${out}/cert.pem`, '--trust', 'trust', ...who, ...proof);
    await mayfly('log', 'check', '--url', instance.logUrl, '--trust', 'trust');
  }

  it('comes by logging in through the browser, and stands every check', async () => {
    running = await startDevInstance(join(directory, 'data'), [], words);
    const command = start(
      ['certificate', '--url', running.url, '--out', 'out', '--flow', 'browser'],
      'stderr',
    );
    const [url] = await command.said(/http:\/\/127\.0\.0\.1:\d+\/auth\?\S+(?=\n)/);
    const callback = await logIn(url, 'new@example.com');
    expect((await fetch(callback)).status).to.equal(200);
    expect((await command.closed)[0]).to.equal(0);
    await verifyEverything('out', 'new@example.com', running);
    expect(await running.stop('SIGINT')).to.equal(0);
  });

  it('comes by logging in on another device', async () => {
    running = await startDevInstance(join(directory, 'data'), [], words);
    const command = start(
      ['certificate', '--url', running.url, '--out', 'out', '--flow', 'device'],
      'stderr',
    );
    const [, code = ''] = await command.said(/compare the code: ([A-Z]{4}-[A-Z]{4})/);
    await approveDevice(`${running.issuerUrl}/device`, code, 'device@example.com');
    expect((await command.closed)[0]).to.equal(0);
    await mayfly('trust', 'export', '--data', running.data, '--out', 'trust');
    // With trust of its own, the client no longer has to take the service's word.
    const [token] = [await mayfly('token', '--email', 'device@example.com', '--data', running.data)];
    const { stdout } = await run(
      process.execPath,
      [...words, 'certificate', '--url', running.url, '--out', 'out', '--trust', 'trust', '--json'],
      { cwd: directory, env: { ...environment, SIGSTORE_ID_TOKEN: token } },
    );
    expect(JSON.parse(stdout)).to.include({ identity: 'device@example.com', trust: 'directory' });
  });

  it('comes by pasting the line that the program prints', async () => {
    const free = ['--listen', '127.0.0.1:0', '--issuer-listen', '127.0.0.1:0', '--data', 'data'];
    const command = start(['dev', ...free], 'stdout');
    const [, line = ''] = await command.said(/paste this line[^\n]*\n\n {2}(\S[^\n]*)\n[\s\S]*Ctrl-C/);
    expect(line).to.match(/^SIGSTORE_ID_TOKEN=\$\(/);
    // From source there is no program to call by its name.
    const named = [process.execPath, ...words].map((word) => `'${word}'`).join(' ');
    const { stdout } = await run('sh', ['-c', `mayfly() { ${named} "$@"; }\n${line}`], { cwd: directory });
    expect(stdout).to.contain('Certificate for you@example.com');
    command.child.kill('SIGTERM');
    expect((await command.closed)[0]).to.equal(0);
  });
});
