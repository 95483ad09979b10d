import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { parseAllDocuments } from 'yaml';
import { ADMISSION_CONTROLLERS } from '../../../trust/admission/admission-policy.ts';
import { makeDataDirectory } from '../../support/data-directory.ts';
import { type MayflyResult, runMayfly } from '../../support/mayfly.ts';

describe('mayfly trust export --for', function () {
  this.timeout(60_000);
  let cwd: string;

  before(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'mayfly-admission-'));
    await makeDataDirectory(join(cwd, 'data'));
  });
  after(() => rm(cwd, { recursive: true }));

  const exported = (...args: string[]): Promise<MayflyResult> =>
    runMayfly(['trust', 'export', '--data', 'data', '--public-url', 'https://ca.example.com', ...args], {
      cwd,
    });
  const WHO = ['--identity', 'ada@example.com', '--issuer', 'https://login.example.com'];

  it('prints YAML for each controller, and writes nothing', async () => {
    for (const controller of ADMISSION_CONTROLLERS) {
      const { code, stdout, stderr } = await exported('--for', controller, ...WHO);
      expect(code, stderr).to.equal(0);
      expect(parseAllDocuments(stdout).flatMap(({ errors }) => errors)).to.deep.equal([]);
      expect(stdout).to.contain('https://ca.example.com').and.to.contain('ada@example.com');
    }
  });

  it('names the TUF repository of a directory that has one', async () => {
    const made = await runMayfly(['init', '--data', 'other', '--keep-root-key'], { cwd });
    expect(made.code, made.stderr).to.equal(0);
    const args = ['trust', 'export', '--data', 'other', '--public-url', 'https://ca.example.com'];
    const { stdout } = await runMayfly([...args, '--for', 'kyverno', ...WHO], { cwd });
    expect(stdout).to.contain('mirror: https://ca.example.com/tuf');
    expect(parseAllDocuments(stdout)).to.have.length(2);
  });

  it('wants to know whose signatures are let in, and where to write without --for', async () => {
    expect(await exported('--for', 'kyverno')).to.include({ code: 2 });
    expect((await exported('--for', 'kyverno')).stderr).to.contain('--identity and --issuer');
    expect((await exported()).stderr).to.contain('--out');
    expect((await exported('--for', 'other', ...WHO)).stderr).to.contain('kyverno');
  });

  it('leaves no option unread without a word', async () => {
    for (const [words, unread] of [
      [['--for', 'kyverno', ...WHO, '--out', 'trust'], '--out has no meaning beside --for'],
      [['--for', 'kyverno', ...WHO, '--force'], '--force has no meaning beside --for'],
      [['--out', 'trust', '--identity', 'ada@example.com'], '--identity has no meaning without --for'],
      [['--out', 'trust', '--issuer', 'https://login.example.com'], '--issuer has no meaning without --for'],
      [['--out', 'trust', '--allow-unlogged'], '--allow-unlogged has no meaning without --for'],
      ...['gatekeeper', 'ratify', 'connaisseur', 'kubewarden'].map(
        (controller) =>
          [
            ['--for', controller, ...WHO, '--allow-unlogged'],
            `--allow-unlogged has no meaning for ${controller}`,
          ] as const,
      ),
    ] as const) {
      const { code, stderr } = await exported(...words);
      expect(code, unread).to.equal(2);
      expect(stderr).to.contain(unread);
    }
    expect(await readdir(cwd)).not.to.include('trust');
  });
});
