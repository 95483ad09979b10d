import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSecretFile } from '../../storage/secret-file.ts';
import { runMayfly } from '../support/mayfly.ts';

describe('storage/secret-file', function () {
  this.timeout(60_000);
  let cwd: string;
  let file: string;
  beforeEach(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'mayfly-secret-'));
    file = join(cwd, 'my pass');
    await writeFile(file, 'hush\nsecond line\n');
  });
  afterEach(() => rm(cwd, { recursive: true }));

  async function warningsOf(mode: number): Promise<string[]> {
    const warnings: string[] = [];
    await chmod(file, mode);
    const secret = await readSecretFile(file, 'passphrase', (sentence) => warnings.push(sentence));
    expect(secret).to.equal('hush');
    return warnings;
  }

  it('warns of a file that everybody may read, with the command that fixes it', async () => {
    for (const mode of [0o600, 0o400, 0o640]) expect(await warningsOf(mode)).to.deep.equal([]);
    const [warning = '', ...more] = await warningsOf(0o644);
    expect(more).to.deep.equal([]);
    expect(warning).to.include('everybody on this machine may read the passphrase file');
    expect(warning).not.to.include('hush');
    execFileSync('sh', ['-c', warning.replace(/^.*Run: /, '')]);
    const after: string[] = [];
    await readSecretFile(file, 'passphrase', (sentence) => after.push(sentence));
    expect(after).to.deep.equal([]);
  });

  it('has init say so, to people and to machines', async () => {
    await chmod(file, 0o644);
    const init = (data: string, ...more: string[]) =>
      runMayfly(['init', '--data', data, '--keep-root-key', '--passphrase-file', 'my pass', ...more], {
        cwd,
      });
    const { code, stdout } = await init('a');
    expect([code, stdout.includes('everybody on this machine may read')]).to.deep.equal([0, true]);
    const { warnings } = JSON.parse((await init('b', '--json')).stdout) as { warnings: string[] };
    expect(warnings).to.have.length(1);
  });

  it('warns of a byte order mark, which counts: a key may have been encrypted with it', async () => {
    const file = join(cwd, 'marked');
    const warnings: string[] = [];
    await writeFile(file, '\ufeffsecret\r\n', { mode: 0o600 });
    expect(await readSecretFile(file, 'passphrase', (sentence) => warnings.push(sentence))).to.equal(
      '\ufeffsecret',
    );
    expect(warnings).to.have.length(1);
    expect(warnings[0]).to.match(/begins with a byte order mark, which counts as a part of the passphrase/);
    await writeFile(file, 'secret\r\n', { mode: 0o600 });
    expect(await readSecretFile(file, 'passphrase', (sentence) => warnings.push(sentence))).to.equal(
      'secret',
    );
    expect(warnings).to.have.length(1);
  });
});
