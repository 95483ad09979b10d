import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { projectRoot } from '../support/project-root.ts';
import { runMayfly } from '../support/mayfly.ts';
import { skipUnless } from '../support/skipped.ts';

const FILE = join(projectRoot, 'packaging/systemd/mayfly.service');

/** As `--threshold` of systemd-analyze takes it, ten times the level of exposure: 1.5 of 10. */
const MOST_EXPOSED = 15;

describe('packaging/systemd/mayfly.service', () => {
  const unit = readFileSync(FILE, 'utf8');
  const value = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1] ?? '';

  it('starts what the package installs, with options that exist', async () => {
    const [program = '', command = '', ...words] = value('ExecStart').split(' ');
    const { bin } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as {
      bin: Record<string, string>;
    };
    expect(Object.keys(bin)).to.deep.equal([program.replace('/opt/mayfly/bin/', '')]);
    const { stdout } = await runMayfly([command, '--help']);
    const options = words.filter((word) => word.startsWith('--'));
    expect(options).to.deep.equal(['--data', '--passphrase-file']);
    for (const option of options) expect(stdout).to.include(`${option} <`);
    expect(value('LoadCredential')).to.match(/^passphrase:\//);
    expect(words).to.include('%d/passphrase').and.to.include('/var/lib/mayfly');
  });

  it('takes the runtime of the package first', () => {
    const { optionalDependencies } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as {
      optionalDependencies: Record<string, string>;
    };
    const folders = value('Environment').replace('PATH=', '').split(':');
    const linux = Object.keys(optionalDependencies).filter((name) => name.startsWith('node-linux-'));
    const below = '/opt/mayfly/lib/node_modules/mayfly/node_modules';
    expect(folders.slice(0, linux.length)).to.have.members(linux.map((name) => `${below}/${name}/bin`));
  });

  it('has the time that an end may take, and writes no memory to a file', () => {
    expect(Number(value('TimeoutStopSec'))).to.be.greaterThan(30);
    expect(value('LimitCORE')).to.equal('0');
    expect(value('RestartForceExitStatus')).to.equal('SIGHUP');
    expect(value('User')).to.equal('mayfly');
  });

  it('goes on trying to start, however long what it needs is away', () => {
    const [head = ''] = unit.split('[Service]');
    expect(head).to.match(/^StartLimitIntervalSec=0$/m);
    expect(value('Restart')).to.equal('on-failure');
  });

  it('names documentation that the package has', () => {
    const path = value('Documentation').replace('file:///opt/mayfly/lib/node_modules/mayfly/', '');
    expect(existsSync(join(projectRoot, path)), path).to.equal(true);
  });

  describe('by the judgement of systemd-analyze', () => {
    let folder: string;
    before(function () {
      skipUnless(
        this,
        spawnSync('systemd-analyze', ['--version']).status === 0,
        'there is no systemd-analyze',
      );
      folder = mkdtempSync(join(tmpdir(), 'mayfly-unit-'));
      const program = join(folder, 'opt/mayfly/bin/mayfly');
      mkdirSync(dirname(program), { recursive: true });
      writeFileSync(program, '#!/bin/sh\n');
      chmodSync(program, 0o755);
      writeFileSync(
        join(folder, 'mayfly.service'),
        unit.replaceAll('/opt/mayfly', join(folder, 'opt/mayfly')),
      );
    });
    after(() => {
      // Undefined when it was skipped.
      if ((folder as string | undefined) !== undefined) rmSync(folder, { recursive: true });
    });

    const analyze = (...words: string[]) =>
      spawnSync('systemd-analyze', [...words, join(folder, 'mayfly.service')], {
        encoding: 'utf8',
        env: { ...process.env, SYSTEMD_COLORS: '0' },
      });

    it('is a unit without a complaint', () => {
      const { status, stdout, stderr } = analyze('verify');
      expect([status, stdout, stderr]).to.deep.equal([0, '', '']);
    });

    it('is hardly exposed', () => {
      const { status, stdout, stderr } = analyze('security', '--offline=yes', `--threshold=${MOST_EXPOSED}`);
      expect(status, `${stdout}${stderr}`).to.equal(0);
    });
  });
});
