/** `serve` and short commands, with readers of their output that do not read, are gone, or have no room. */
import { expect } from 'chai';
import { execFileSync, spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, existsSync, openSync, readSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { emailConfig, makeDataDirectory } from '../support/data-directory.ts';
import { startIssuer, type TestIssuer } from '../support/oidc-issuer.ts';
import { ANYWHERE, mayflyWords } from '../support/mayfly.ts';
import { bodyV2, clientKey, emailToken, post } from '../support/test-service.ts';
import { skipUnless } from '../support/skipped.ts';

describe('cli: readers of the output', function () {
  this.timeout(60_000);
  let scratch: string;
  let data: string;
  let issuer: TestIssuer;
  const running: ChildProcess[] = [];
  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'mayfly-output-'));
    data = join(scratch, 'data');
    issuer = await startIssuer();
    await makeDataDirectory(data, { config: emailConfig(issuer.url) });
  });
  afterEach(() => {
    for (const child of running.splice(0)) child.kill('SIGKILL');
  });
  after(async () => {
    await issuer.close();
    await rm(scratch, { recursive: true, force: true });
  });

  function start(args: readonly string[], stdio: StdioOptions): ChildProcess {
    const child = spawn(process.execPath, mayflyWords(args), { stdio });
    running.push(child);
    return child;
  }

  async function urlFrom(child: ChildProcess): Promise<string> {
    if (child.stdout === null) throw new Error('no output');
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    return (JSON.parse(line) as { url: string }).url;
  }

  /** More certificates, each a line of the log, than a pipe holds: lines of refusals have a limit. */
  async function flood(url: string): Promise<number> {
    const body = bodyV2(await emailToken({ issuer }), clientKey());
    for (let i = 0; i < 15; i++)
      await Promise.all(
        Array.from({ length: 20 }, async () => {
          const answer = await post(`${url}/api/v2/signingCert`, body);
          expect([answer.status, (await answer.text()).length > 0]).to.deep.equal([200, true]);
        }),
      );
    return 300;
  }

  /** A pipe of the system; its ends are not those of a stream. */
  function pipe(name: string): { readonly reader: number; readonly writer: number } {
    const path = join(scratch, name);
    execFileSync('mkfifo', [path]);
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return { reader, writer: openSync(path, 'w') };
  }

  const ends = async (child: ChildProcess): Promise<unknown> => {
    child.kill('SIGTERM');
    return child.exitCode ?? ((await once(child, 'exit')) as unknown[])[0];
  };

  describe('of a service, which goes on and ends as if all had been read', () => {
    it('a pipe that nobody reads', async () => {
      const { reader, writer } = pipe('unread');
      const child = start(['serve', ...ANYWHERE, '--data', data, '--json'], ['ignore', 'pipe', writer]);
      closeSync(writer);
      await flood(await urlFrom(child));
      expect(await ends(child)).to.equal(0);
      closeSync(reader);
    });

    it('a pipe whose reader is gone', async () => {
      const { reader, writer } = pipe('gone');
      const child = start(['serve', ...ANYWHERE, '--data', data, '--json'], ['ignore', 'pipe', writer]);
      closeSync(writer);
      const url = await urlFrom(child);
      closeSync(reader);
      await flood(url);
      expect(await ends(child)).to.equal(0);
    });

    it('a socket that nobody reads, as a supervisor has one', async () => {
      const child = start(['serve', ...ANYWHERE, '--data', data, '--json'], ['ignore', 'pipe', 'pipe']);
      child.stderr?.pause();
      await flood(await urlFrom(child));
      expect(await ends(child)).to.equal(0);
    });

    it('both outputs, gone', async () => {
      const child = start(['serve', ...ANYWHERE, '--data', data, '--json'], ['ignore', 'pipe', 'pipe']);
      const url = await urlFrom(child);
      child.stdout?.destroy();
      child.stderr?.destroy();
      await flood(url);
      expect(await ends(child)).to.equal(0);
    });

    it('a file on a disk that is full', async function () {
      skipUnless(this, existsSync('/dev/full'), 'there is no /dev/full');
      const full = openSync('/dev/full', 'w');
      const child = start(['serve', ...ANYWHERE, '--data', data, '--json'], ['ignore', 'pipe', full]);
      closeSync(full);
      await flood(await urlFrom(child));
      expect(await ends(child)).to.equal(0);
    });

    it('nothing at all: closed outputs and input', async () => {
      const free = createServer().listen(0, '127.0.0.1');
      await once(free, 'listening');
      const address = `127.0.0.1:${(free.address() as AddressInfo).port}`;
      free.close();
      const words = ['serve', '--listen', address, '--metrics-listen', '127.0.0.1:0', '--data', data];
      const command = 'exec "$0" "$@" 0<&- 1>&- 2>&-';
      const child = spawn('sh', ['-c', command, process.execPath, ...mayflyWords(words)], {
        stdio: 'ignore',
      });
      running.push(child);
      const answers = (): Promise<boolean> =>
        fetch(`http://${address}/healthz`)
          .then(({ ok }) => ok)
          .catch(() => false);
      while (!(await answers())) await delay(50);
      expect(await ends(child)).to.equal(0);
    });

    it('Ctrl-C to a pipeline, whose reader then is gone first', async () => {
      const log = join(scratch, 'pipeline');
      const words = [process.execPath, ...mayflyWords(['serve', ...ANYWHERE, '--data', data, '--json'])];
      const command = '"$@" 2>&1 | tee "$0" >/dev/null';
      const child = spawn('sh', ['-c', command, log, ...words], { stdio: 'ignore', detached: true });
      running.push(child);
      const ready = async (): Promise<boolean> =>
        (await readFile(log, 'utf8').catch(() => '')).includes('"ready"');
      while (!(await ready())) await delay(20);
      const ended = once(child, 'exit');
      process.kill(-(child.pid ?? 0), 'SIGINT');
      await ended;
      // All of the group has ended, or the lock would be held.
      const next = start(['serve', ...ANYWHERE, '--data', data, '--json'], ['ignore', 'pipe', 'ignore']);
      expect(await urlFrom(next)).to.match(/^http/);
      expect(await ends(next)).to.equal(0);
    });

    it('a slow one, who gets every line', async () => {
      const { reader, writer } = pipe('slow');
      const child = start(['serve', ...ANYWHERE, '--data', data, '--json'], ['ignore', 'pipe', writer]);
      closeSync(writer);
      const count = await flood(await urlFrom(child));
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      let text = '';
      const buffer = Buffer.alloc(16 * 1024);
      for (let bytes = -1; bytes !== 0;) {
        try {
          bytes = readSync(reader, buffer);
          text += buffer.toString('utf8', 0, bytes);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
          await delay(5);
        }
      }
      await ended;
      closeSync(reader);
      const events = text
        .trim()
        .split('\n')
        // An older Node warns of what it calls experimental, in its own words.
        .filter((line) => line.startsWith('{'))
        .map((line) => (JSON.parse(line) as { event: string }).event);
      expect(text.length).to.be.greaterThan(64 * 1024);
      expect(events.filter((event) => event === 'issued')).to.have.length(count);
      expect(events.at(-1)).to.equal('closed');
    });
  });

  describe('of a short command', () => {
    const COMMANDS: readonly (readonly string[])[] = [
      ['config', 'schema'],
      ['config', 'preset', 'github'],
      ['--help'],
    ];
    for (const args of COMMANDS)
      it(`that stops reading, as head does, is no failure: ${args.join(' ')}`, async () => {
        const child = start(args, ['ignore', 'pipe', 'pipe']);
        child.stdout?.destroy();
        let said = '';
        child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
        expect(await once(child, 'close')).to.deep.equal([0, null]);
        expect(said).to.equal('');
      });

    it('that has no room is a failure, in one sentence', async function () {
      skipUnless(this, existsSync('/dev/full'), 'there is no /dev/full');
      const full = openSync('/dev/full', 'w');
      const child = start(['config', 'schema'], ['ignore', full, 'pipe']);
      closeSync(full);
      let said = '';
      child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
      expect(await once(child, 'close')).to.deep.equal([1, null]);
      expect(said).to.match(/^mayfly: standard output cannot be written: [^\n]*\n$/);
    });

    it('that is gone on both sides still ends with what the command found', async () => {
      const child = start(['config', 'check', join(scratch, 'missing.yaml')], ['ignore', 'pipe', 'pipe']);
      child.stdout?.destroy();
      child.stderr?.destroy();
      expect(await once(child, 'close')).to.deep.equal([2, null]);
    });
  });
});
