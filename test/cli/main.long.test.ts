import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { buildLine, readBuild } from '../../cli/program/build.ts';
import { VERSION } from '../../core/version.ts';
import { runMayfly } from '../support/mayfly.ts';

const TOKEN = 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl';
const PASSPHRASE = 'correct-horse-battery';

describe('cli/main', function () {
  this.timeout(60_000);

  it('repeats no token and no passphrase that stands in the wrong place', async () => {
    for (const args of [
      ['certificate', TOKEN],
      ['certificate', `--token=${TOKEN}`],
      ['certificate', `--${TOKEN}`],
      ['certificate', `-${TOKEN}`],
      ['certificate', TOKEN, '--json'],
      ['verify', TOKEN],
      ['help', TOKEN],
      ['help', 'verify', TOKEN],
      [TOKEN],
      ['serve', '--data', 'x', PASSPHRASE],
      ['serve', '--data', 'x', `--passphrase=${PASSPHRASE}`],
    ]) {
      const { stdout, stderr, code } = await runMayfly(args);
      const said = stdout + stderr;
      expect(said, args.join(' ')).to.not.contain('eyJ').and.not.contain('correct').and.not.equal('');
      if (!args.includes('verify') || args.length === 2) expect(code, args.join(' ')).to.equal(2);
    }
  });

  it('says where a token and a passphrase belong', async () => {
    const token = await runMayfly(['certificate', TOKEN]);
    expect(token.stderr).to.contain('`mayfly certificate` takes no arguments');
    expect(token.stderr).to.contain('--token-file or SIGSTORE_ID_TOKEN');
    const explained = await runMayfly(['explain', TOKEN]);
    expect(explained.stderr).to.contain('by --token-file.').and.not.contain('SIGSTORE_ID_TOKEN');
    expect((await runMayfly(['serve', '--data', 'x', PASSPHRASE])).stderr).to.contain('by --passphrase-file');
    expect((await runMayfly(['serve'])).stderr)
      .to.contain('--data')
      .and.not.contain('passphrase');
    const two = await runMayfly(['verify', 'certificate', 'a', 'b']);
    expect(two.stderr).to.contain('`mayfly verify certificate` takes one argument');
  });

  it('names a slip of the finger, and what it looks like', async () => {
    expect((await runMayfly(['certificate', '--ulr', 'x'])).stderr).to.match(
      /unknown option "--ulr"\n +Did you mean --url\?/,
    );
    expect((await runMayfly(['serv'])).stderr).to.match(/unknown command "serv"\n +Did you mean serve\?/);
  });

  it('answers wrong use with one JSON object on stdout and with 2', async () => {
    for (const args of [
      ['certificate', '--ulr', 'x'],
      ['certificate', '--json', '--url'],
      ['serve'],
      ['nonsense'],
      ['verify'],
      ['verify', 'certificate'],
      [],
    ]) {
      const { stdout, stderr, code } = await runMayfly(args.includes('--json') ? args : [...args, '--json']);
      expect({ stderr, code }, args.join(' ')).to.deep.equal({ stderr: '', code: 2 });
      const { error } = JSON.parse(stdout) as { error: { code: string; message: string } };
      expect(error.code, args.join(' ')).to.equal('USAGE');
      expect(error.message).to.match(/^[^\n]+$/);
    }
  });

  it('prints the same help for `help COMMAND` and `COMMAND --help`', async () => {
    for (const args of [['certificate'], ['verify', 'certificate'], ['log', 'check']]) {
      const asked = await runMayfly(['help', ...args]);
      expect(asked).to.include({ code: 0, stderr: '' });
      expect(asked.stdout).to.equal((await runMayfly([...args, '--help'])).stdout);
      expect(asked.stdout).to.contain('Examples:').and.to.contain('--json');
    }
    expect((await runMayfly(['help'])).stdout).to.equal((await runMayfly(['--help'])).stdout);
  });

  it('shows examples at every level', async () => {
    for (const args of [[], ['verify'], ['trust'], ['log']]) {
      const { stdout, code } = await runMayfly([...args, '--help']);
      expect(code).to.equal(0);
      expect(stdout, args.join(' ')).to.contain('Examples:').and.to.contain('  mayfly ');
    }
  });
});

describe('mayfly --version', () => {
  it('names version, commit and runtime, for people and for machines', async () => {
    const { stdout: line } = await runMayfly(['--version']);
    expect(line).to.match(
      /^mayfly \d+\.\d+\.\d+ \(commit (unknown|[0-9a-f]{7}(-dirty)?), Node \d+\.\d+\.\d+\)\n$/,
    );
    const { code, stdout } = await runMayfly(['--version', '--json']);
    const { version, commit, runtime } = JSON.parse(stdout) as Record<string, unknown>;
    expect([code, version, runtime]).to.deep.equal([
      0,
      VERSION,
      { name: 'node', version: process.versions.node },
    ]);
    if (commit !== null) expect(commit).to.match(/^[0-9a-f]{40}(-dirty)?$/);
  });

  it('says what stands beside the program, and nothing that is no commit', () => {
    const folder = mkdtempSync(join(tmpdir(), 'mayfly-build-'));
    const file = join(folder, 'build.json');
    const lineFor = (text: string): string => {
      writeFileSync(file, text);
      return buildLine(readBuild(pathToFileURL(file)));
    };
    const commit = '0123456789'.repeat(4);
    expect(lineFor(JSON.stringify({ commit }))).to.include('(commit 0123456, ');
    expect(lineFor(JSON.stringify({ commit: `${commit}-dirty` }))).to.include('(commit 0123456-dirty, ');
    for (const text of ['', '{}', '{"commit":"\u001b[31m"}', '{"commit":7}'])
      expect(lineFor(text), text).to.include('(commit unknown, ');
    rmSync(folder, { recursive: true });
  });
});
