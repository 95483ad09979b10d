import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Command } from 'commander';
import { programFor } from '../../../cli/main.ts';
import { runMayfly } from '../../support/mayfly.ts';
import { skipUnless } from '../../support/skipped.ts';

/** Words that bash offers in `folder` behind the line; the last one is being typed. */
function offered(script: string, folder: string, words: readonly string[]): string[] {
  const typed = words.map((word) => `'${word}'`).join(' ');
  const test = `${script}\nCOMP_WORDS=(mayfly ${typed}); COMP_CWORD=${words.length}; _mayfly; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { status, stdout, stderr } = spawnSync('bash', ['--norc', '-u', '-c', test], {
    encoding: 'utf8',
    cwd: folder,
  });
  expect([status, stderr], words.join(' ')).to.deep.equal([0, '']);
  return stdout.split('\n').filter((word) => word !== '');
}

describe('mayfly completion', function () {
  this.timeout(60_000);
  const scripts: Record<string, string> = {};
  let folder: string;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mayfly-completion-'));
    mkdirSync(join(folder, 'client'));
    writeFileSync(join(folder, 'cases.yaml'), '');
    for (const shell of ['bash', 'zsh', 'fish']) {
      const { code, stdout, stderr } = await runMayfly(['completion', shell]);
      expect([code, stderr]).to.deep.equal([0, '']);
      scripts[shell] = stdout;
    }
  });
  after(() => {
    rmSync(folder, { recursive: true });
  });
  const bash = (...words: string[]): string[] => offered(scripts['bash'] ?? '', folder, words);

  /** Skips the test, aloud, where the shell is not there. */
  function need(test: Mocha.Context, shell: string): void {
    skipUnless(test, spawnSync(shell, ['--version']).status === 0, `there is no ${shell}`);
  }

  it('offers in bash the commands and options of every command', async () => {
    const compare = (command: Command, path: readonly string[]): void => {
      const names = command.commands.map((sub) => sub.name());
      expect(bash(...path, ''), path.join(' ')).to.include.members(names);
      const options = command.options.flatMap(({ long, hidden }) => (hidden ? [] : (long ?? [])));
      expect(bash(...path, '--'), path.join(' ')).to.have.members([...options, '--help']);
      for (const sub of command.commands) compare(sub, [...path, sub.name()]);
    };
    compare(await programFor(['completion'], false), []);
  });

  it('offers files and directories where a value is one, past options and their values', () => {
    expect(bash('serve', '--data', 'clie')).to.deep.equal(['client']);
    expect(bash('serve', '--data', '=', 'clie')).to.deep.equal(['client']);
    expect(bash('config', 'check', 'case')).to.deep.equal(['cases.yaml']);
    expect(bash('serve', '--data', 'log', '--passphrase-file', 'case')).to.deep.equal(['cases.yaml']);
    expect(bash('serve', '--listen', '')).to.deep.equal([]);
    expect(bash('log', '--json', 'chec')).to.deep.equal(['check']);
  });

  it('offers the same in fish', function () {
    need(this, 'fish');
    writeFileSync(join(folder, 'mayfly.fish'), scripts['fish'] ?? '');
    const ask = (line: string): string[] =>
      spawnSync('fish', ['-c', `source '${join(folder, 'mayfly.fish')}'; complete -C '${line}'`], {
        encoding: 'utf8',
        cwd: folder,
        env: { ...process.env, HOME: folder },
      })
        .stdout.split('\n')
        .map((answer) => answer.split('\t')[0] ?? '');
    expect(ask('mayfly ')).to.include.members(['serve', 'completion', 'verify']);
    expect(ask('mayfly log ')).to.include('check').and.not.to.include('serve');
    expect(ask('mayfly serve --data log --passphrase-f')).to.include('--passphrase-file');
    expect(ask('mayfly serve --data clie')).to.include('client/');
  });

  it('is a script of zsh without a mistake', function () {
    need(this, 'zsh');
    const { status, stderr } = spawnSync('zsh', ['-n'], { encoding: 'utf8', input: scripts['zsh'] });
    expect([status, stderr]).to.deep.equal([0, '']);
  });

  it('knows its shells', async () => {
    const { code, stderr } = await runMayfly(['completion', 'tcsh']);
    expect([code, stderr.split('\n')[0]]).to.deep.equal([
      2,
      'mayfly: the shell must be one of bash, zsh, fish, not "tcsh"',
    ]);
  });
});
