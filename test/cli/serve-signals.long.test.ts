/** Signals at every moment of the life of a service, as the launcher starts it from the build. */
import { expect } from 'chai';
import { execFileSync, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { makeDataDirectory } from '../support/data-directory.ts';
import { ANYWHERE, startMayfly, type MayflyProcess } from '../support/mayfly.ts';
import { skipUnless } from '../support/skipped.ts';

/** The bit of SIGHUP in a mask of signals. */
const HUP = 1;

describe('cli/serve: signals', function () {
  this.timeout(120_000);
  let scratch: string;
  let data: string;
  const running: ChildProcess[] = [];
  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'mayfly-signals-'));
    data = join(scratch, 'data');
    await makeDataDirectory(data, { config: 'oidc-issuers: {}\n' });
  });
  afterEach(() => {
    for (const child of running.splice(0)) child.kill('SIGKILL');
  });
  after(() => rm(scratch, { recursive: true, force: true }));

  function start(...more: string[]): MayflyProcess {
    const service = startMayfly(['serve', ...ANYWHERE, '--json', '--data', data, ...more], {
      byLauncher: 'always',
    });
    running.push(service.child);
    return service;
  }

  /** Waits until it is ready, or has ended. */
  async function settled(service: MayflyProcess): Promise<void> {
    let isOver = false;
    void service.ended.then(() => (isOver = true));
    const isWaiting = (): boolean => !isOver && service.stdout() === '';
    while (isWaiting()) await delay(10);
  }

  /** Milliseconds from the start until it is ready. */
  async function startTime(): Promise<number> {
    const begin = performance.now();
    const service = start();
    await settled(service);
    const time = performance.now() - begin;
    service.child.kill('SIGTERM');
    expect(await service.ended).to.equal(0);
    return time;
  }

  it('ends when it is asked to at any moment of its start, or killed, and starts again', async () => {
    const time = await startTime();
    const signals = ['SIGTERM', 'SIGINT', 'SIGKILL', 'SIGQUIT'] as const;
    const moments = 12;
    for (let moment = 0; moment < moments; moment++) {
      const signal = signals[moment % signals.length] ?? 'SIGTERM';
      const service = start();
      await delay((time * moment) / moments);
      service.child.kill(signal);
      // Before its first line it is the system that answers.
      const expected = signal === 'SIGKILL' ? [signal] : [0, signal];
      expect(await service.ended, `${signal} at ${moment}/${moments}`).to.be.oneOf(expected);
      expect(service.stdout()).to.not.contain('error');
    }
    await startTime();
  });

  it('is not ended by SIGHUP before it is ready, and loads its configuration once it is', async function () {
    skipUnless(this, existsSync('/proc/self/status'), 'there is no /proc');
    const service = start();
    const pid = service.child.pid ?? 0;
    // From its first line on; before, and in the moment in which it takes its flags, it is the system that answers.
    while (!listensFor(pid, HUP)) await delay(1);
    while (service.stdout() === '' && service.child.exitCode === null && service.child.signalCode === null) {
      service.child.kill('SIGHUP');
      service.child.kill('SIGUSR1');
      service.child.kill('SIGUSR2');
      await delay(5);
    }
    expect([service.child.exitCode, service.child.signalCode]).to.deep.equal([null, null]);
    while (!service.stderr().includes('"configuration loaded"')) await delay(10);
    service.child.kill('SIGTERM');
    expect(await service.ended).to.equal(0);
    expect(service.stderr()).to.not.contain('Debugger');
  });

  it('loads its configuration once it is ready when the only SIGHUP came before', async function () {
    skipUnless(this, existsSync('/proc/self/status'), 'there is no /proc');
    const pipe = join(scratch, 'later');
    execFileSync('mkfifo', [pipe]);
    const service = start('--passphrase-file', pipe);
    while (!listensFor(service.child.pid ?? 0, HUP)) await delay(1);
    service.child.kill('SIGHUP');
    // Until then it cannot have been opened.
    await writeFile(pipe, 'passphrase\n');
    await settled(service);
    while (service.child.exitCode === null && !service.stderr().includes('"configuration loaded"'))
      await delay(10);
    service.child.kill('SIGTERM');
    expect(await service.ended).to.equal(0);
    expect(service.stderr()).to.include('"configuration loaded"');
  });

  it('does not wait for a start that hangs, such as for a passphrase that nobody writes', async () => {
    const pipe = join(scratch, 'passphrase');
    execFileSync('mkfifo', [pipe]);
    const service = start('--passphrase-file', pipe);
    const pid = service.child.pid ?? 0;
    while (!listensFor(pid, HUP)) await delay(1);
    // By now it has opened the pipe, or will: either way it waits for good.
    await delay(1_000);
    service.child.kill('SIGTERM');
    expect(await service.ended).to.equal(0);
  });

  it('leaves nothing for the next start to fail on, whatever signals come while it ends', async () => {
    for (let round = 0; round < 3; round++) {
      const service = start();
      await settled(service);
      service.child.kill('SIGTERM');
      for (const signal of ['SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGINT', 'SIGQUIT'] as const)
        service.child.kill(signal);
      expect(await service.ended).to.equal(0);
      expect(service.stderr()).to.contain('"closed"');
    }
  });

  it('ends although what it loads never answers', async () => {
    const pipe = join(scratch, 'keys.json');
    const config = join(scratch, 'config.yaml');
    await writeFile(config, 'oidc-issuers: {}\n');
    const service = start('--config', config);
    await settled(service);
    execFileSync('mkfifo', [pipe]);
    const entry = `client-id: sigstore\n    type: email\n    mayfly: { jwks-file: "${pipe}" }\n`;
    await writeFile(config, `oidc-issuers:\n  https://issuer.example:\n    ${entry}`);
    service.child.kill('SIGHUP');
    await delay(1_000);
    service.child.kill('SIGTERM');
    expect(await service.ended).to.equal(0);
  });
});

/** Whether the process that serves, and not the one that it was before it took its flags, has a handler. */
function listensFor(pid: number, bit: number): boolean {
  try {
    if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('--disable-sigusr1')) return false;
    const [, mask = '0'] = /^SigCgt:\t(\w+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return (Number.parseInt(mask.slice(-8), 16) & bit) !== 0;
  } catch {
    return false;
  }
}
