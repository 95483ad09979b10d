/** The lines with which clients begin, as `mayfly trust tuf status` prints them, run as they stand; and refused where the root is another one. */
import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { emailConfig } from '../support/data-directory.ts';
import { ANYWHERE, runMayfly, startMayfly, type MayflyProcess } from '../support/mayfly.ts';
import { freePort } from '../../bench/free-port.ts';
import { needClient } from './support/stock-clients.ts';

const run = promisify(execFile);

describe('judge: the lines with which clients of the TUF repository begin', function () {
  this.timeout(600_000);
  let scratch: string;
  let service: MayflyProcess | undefined;

  const mayfly = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await runMayfly(args, { cwd: scratch });
    expect(code, `${args.join(' ')}\n${stderr}`).to.equal(0);
    return stdout;
  };

  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'mayfly-tuf-lines-'));
    const url = `http://127.0.0.1:${await freePort()}`;
    await mayfly(
      'init',
      '--data',
      'data',
      '--root-key-out',
      'root.key.pem',
      '--public-url',
      url,
      '--origin',
      'ca.example.org/log/2026',
    );
    await writeFile(
      join(scratch, 'data', 'config.yaml'),
      emailConfig('https://login.example.org', `{public-url: '${url}'}`),
    );
    service = startMayfly(['serve', '--data', 'data', ...ANYWHERE, '--listen', new URL(url).host, '--json'], {
      cwd: scratch,
    });
    await service.firstLine;
  });
  after(async () => {
    service?.child.kill('SIGTERM');
    await service?.ended;
    await rm(scratch, { recursive: true });
  });

  /** The printed line of a program, and what runs it. */
  async function lineOf(word: string): Promise<string> {
    const { stdout } = await runMayfly(['trust', 'tuf', 'status', '--data', 'data'], { cwd: scratch });
    const line = stdout.split('\n').find((one) => one.includes(` ${word} `) && /[0-9a-f]{64}/.test(one));
    if (line === undefined) throw new Error(`no line of ${word} in ${stdout}`);
    return line;
  }

  async function shell(line: string, name: string, program: string): Promise<string> {
    const home = join(scratch, `home-${name}`);
    mkdirSync(join(home, 'bin'), { recursive: true });
    await writeFile(join(home, 'bin', name), `#!/bin/sh\nexec ${program} "$@"\n`, { mode: 0o755 });
    const env = { HOME: home, PATH: `${join(home, 'bin')}:${process.env['PATH'] ?? ''}` };
    return run('sh', ['-c', line], { cwd: home, env }).then(
      ({ stdout, stderr }) => `${stdout}${stderr}`,
      (error: unknown) => `refused: ${String((error as { stderr?: string }).stderr)}`,
    );
  }

  const judge = async (name: string, program: string): Promise<void> => {
    const line = await lineOf(name);
    expect(await shell(line, name, program), line).to.not.match(/^refused|WARN/);
    const other = line.replace(/[0-9a-f]{64}/, (sum) =>
      sum.replace(/^./, (digit) => (digit === '0' ? '1' : '0')),
    );
    expect(await shell(other, name, program), other).to.match(/^refused/);
  };

  it('cosign 3', async function () {
    await judge('cosign', await needClient(this, 'cosign-3.1.2'));
  });

  it('cosign 2', async function () {
    await judge('cosign', await needClient(this, 'cosign-2.6.3'));
  });

  it('sigstore-python', async function () {
    // A script of the virtual environment has the path at which that was made.
    await judge('sigstore', `${await needClient(this, 'sigstore-python-4.5.1')} -m sigstore`);
  });

  it('cosign again, with the next root', async function () {
    const cosign = await needClient(this, 'cosign-3.1.2');
    await mayfly('trust', 'tuf', 'stage', '--data', 'data', '--renew', '--out', 'year.json');
    await mayfly('trust', 'tuf', 'sign', 'year.json', '--key', 'tuf-root.key.pem');
    await mayfly('trust', 'tuf', 'import', 'year.json', '--data', 'data');
    expect(await lineOf('cosign')).to.include('/tuf/2.root.json');
    const [, url = ''] = /--root (\S+)/.exec(await lineOf('cosign')) ?? [];
    while (!(await fetch(url)).ok) await new Promise((resolve) => setTimeout(resolve, 100));
    await judge('cosign', cosign);
  });
});
