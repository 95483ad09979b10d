import { spawnSync } from 'node:child_process';
import { expect } from 'chai';
import type { Command } from 'commander';
import { layOut } from '../../cli/program/help-layout.ts';
import { programFor } from '../../cli/main.ts';
import { mayflyWords, runMayfly } from '../support/mayfly.ts';
import { skipUnless } from '../support/skipped.ts';

/** The help of every command in so many columns. */
async function everyHelp(columns: number): Promise<ReadonlyMap<string, string>> {
  const helps = new Map<string, string>();
  const collect = (command: Command, path: string): void => {
    let text = '';
    command.configureOutput({ writeOut: (more) => (text += more), getOutHelpWidth: () => columns });
    command.outputHelp();
    helps.set(path, text);
    for (const sub of command.commands) collect(sub, `${path} ${sub.name()}`);
  };
  collect(await programFor(['completion'], false), 'mayfly');
  return helps;
}

describe('help', function () {
  this.timeout(60_000);

  for (const columns of [60, 80, 132]) {
    it(`of every command stays within ${columns} columns`, async () => {
      const helps = [...(await everyHelp(columns))];
      expect(helps.length).to.be.greaterThan(20);
      const tooLong = helps.flatMap(([path, help]) =>
        help
          .split('\n')
          .filter((line) => line.length > columns)
          .map((line) => `${path}: ${line}`),
      );
      expect(tooLong).to.deep.equal([]);
    });
  }

  it('has 80 columns in a pipe', async () => {
    const { stdout } = await runMayfly(['serve', '--help']);
    expect(stdout.split('\n').filter((line) => line.length > 80)).to.deep.equal([]);
  });

  it('has the width of the terminal, wide or narrow', function () {
    skipUnless(
      this,
      spawnSync('script', ['--version']).status === 0,
      'there is no script(1), which makes a terminal',
    );
    const inTerminal = (columns: number, ...words: string[]): string[] => {
      const command = [process.execPath, ...mayflyWords(words)].map((word) => `'${word}'`).join(' ');
      const { stdout } = spawnSync('script', ['-qec', `stty cols ${columns}; ${command}`, '/dev/null'], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      expect(stdout).to.include('Usage: mayfly');
      return stdout.split(/\r?\n/);
    };
    for (const columns of [60, 100]) {
      const lines = inTerminal(columns, 'serve', '--help');
      expect(lines.filter((line) => line.length > columns)).to.deep.equal([]);
      expect(Math.max(...lines.map((line) => line.length))).to.be.greaterThan(columns - 20);
    }
  });

  it('leads to presets, policy tests and explanations', async () => {
    const { stdout } = await runMayfly(['--help']);
    for (const command of ['config preset', 'config check', 'config test', 'explain'])
      expect(stdout).to.include(`mayfly ${command} `);
  });

  describe('layOut', () => {
    const TEXT = [
      'A paragraph of two lines, of which',
      'each is short.',
      '',
      'Examples:',
      "  mayfly serve --data DIR --listen 'a b  c' --json     with a remark",
      '                                                       of two lines',
    ].join('\n');

    it('leaves a text alone that fits', () => {
      expect(layOut(TEXT, 80)).to.equal(TEXT);
    });

    it('fills paragraphs, and keeps a command one that can be pasted', () => {
      expect(layOut(TEXT, 40).split('\n')).to.deep.equal([
        'A paragraph of two lines, of which each',
        'is short.',
        '',
        'Examples:',
        '  mayfly serve --data DIR \\',
        "      --listen 'a b  c' --json",
        '      with a remark',
        '      of two lines',
      ]);
      const [command = ''] = /^ {2}mayfly [\s\S]*?--json/m.exec(layOut(TEXT, 40)) ?? [];
      const { stdout } = spawnSync('sh', ['-c', command.replace('mayfly', "printf '%s|'")], {
        encoding: 'utf8',
      });
      expect(stdout).to.equal('serve|--data|DIR|--listen|a b  c|--json|');
    });
  });
});
