/** A newcomer's first minutes, with the program that `npm start` runs. */
import { execFile, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { approveDevice, logIn } from '../support/browser.ts';
import {
  mayflyWords,
  plainEnvironment,
  runMayfly,
  startDev,
  startMayfly,
  type DevMayfly,
} from '../support/mayfly.ts';

describe('the first certificate', function () {
  this.timeout(90_000);
  let directory: string;
  let running: DevMayfly | undefined;
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

  const run = async (
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<string> => {
    const { code, stdout, stderr } = await runMayfly(args, { cwd: directory, env, byLauncher: 'built' });
    expect(code, stderr).to.equal(0);
    return stdout;
  };

  const mayfly = (...args: string[]): Promise<string> => run(args);

  /** Starts a command that talks to a person; `said` returns what it says on that stream as soon as it matches. */
  function start(args: readonly string[], stream: 'stdout' | 'stderr') {
    const { child, ended, ...said } = startMayfly(args, { cwd: directory, byLauncher: 'built' });
    children.push(child);
    const state = { isOver: false };
    void ended.then(() => (state.isOver = true));
    return {
      child,
      ended,
      said: async (pattern: RegExp): Promise<RegExpExecArray> => {
        for (;;) {
          const { isOver } = state;
          const match = pattern.exec(said[stream]());
          if (match !== null) return match;
          if (isOver) throw new Error(`it ended and said: ${said.stdout()}${said.stderr()}`);
          await Promise.race([once(child[stream] ?? child, 'data'), ended]);
        }
      },
    };
  }

  async function verifyEverything(out: string, identity: string, instance: DevMayfly): Promise<void> {
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
    for (const url of [instance.logUrl, instance.url])
      await mayfly('log', 'check', '--url', url, '--trust', 'trust');
  }

  it('comes by logging in through the browser, and stands every check', async () => {
    running = await startDev({ data: join(directory, 'data'), byLauncher: 'built' });
    const command = start(
      ['certificate', '--url', running.url, '--out', 'out', '--flow', 'browser'],
      'stderr',
    );
    const [url] = await command.said(/http:\/\/127\.0\.0\.1:\d+\/auth\?\S+(?=\n)/);
    const callback = await logIn(url, 'new@example.com');
    expect((await fetch(callback)).status).to.equal(200);
    expect(await command.ended).to.equal(0);
    await verifyEverything('out', 'new@example.com', running);
    expect(await running.stop('SIGINT')).to.equal(0);
  });

  it('comes by logging in on another device', async () => {
    running = await startDev({ data: join(directory, 'data'), byLauncher: 'built' });
    const command = start(
      ['certificate', '--url', running.url, '--out', 'out', '--flow', 'device'],
      'stderr',
    );
    const [, code = ''] = await command.said(/compare the code: ([A-Z]{4}-[A-Z]{4})/);
    await approveDevice(`${running.issuerUrl}/device`, code, 'device@example.com');
    expect(await command.ended).to.equal(0);
    await mayfly('trust', 'export', '--data', running.data, '--out', 'trust');
    // With trust of its own, the client no longer has to take the service's word.
    const token = await running.token('device@example.com');
    const stdout = await run(
      ['certificate', '--url', running.url, '--out', 'out', '--trust', 'trust', '--json'],
      { SIGSTORE_ID_TOKEN: token },
    );
    expect(JSON.parse(stdout)).to.include({ identity: 'device@example.com', trust: 'directory' });
  });

  it('signs and verifies by pasting the two lines that the program prints, again and again', async () => {
    const free = ['--listen', '127.0.0.1:0', '--issuer-listen', '127.0.0.1:0', '--data', 'data'];
    const command = start(['dev', ...free], 'stdout');
    const [, sign = '', verify = '', begin = ''] = await command.said(
      /paste these lines[^\n]*\n\n {2}(\S[^\n]*)\n {2}(\S[^\n]*)\n\n[^\n]*cosign 3[^\n]*\n\n {2}(\S[^\n]*)\n\nCtrl-C/,
    );
    const [, root = '', checksum] =
      /^cosign initialize --mirror \S+\/tuf --root (\S+) --root-checksum (\S+)$/.exec(begin) ?? [];
    const bytes = new Uint8Array(await (await fetch(root)).arrayBuffer());
    expect(createHash('sha256').update(bytes).digest('hex')).to.equal(checksum);
    // From source there is no program to call by its name.
    const named = [process.execPath, ...mayflyWords([], 'built')].map((word) => `'${word}'`).join(' ');
    const paste = async (line: string): Promise<string> => {
      const script = `mayfly() { ${named} "$@"; }\n${line}`;
      const options = { cwd: directory, env: plainEnvironment() };
      return (await promisify(execFile)('sh', ['-c', script], options)).stdout;
    };
    for (const time of ['once', 'again']) {
      expect(await paste(sign), time).to.contain('Signed as you@example.com');
      expect(await paste(verify))
        .to.contain('Verified')
        .and.contain('you@example.com');
    }
    command.child.kill('SIGTERM');
    expect(await command.ended).to.equal(0);
  });
});
