import { createHash, X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { runMayfly, type MayflyResult } from '../../support/mayfly.ts';

describe('the transcript of a ceremony', function () {
  this.timeout(120_000);
  let cwd: string;
  beforeEach(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'mayfly-transcript-'));
    await writeFile(join(cwd, 'pass'), 'a secret of the server\n', { mode: 0o600 });
  });
  afterEach(() => rm(cwd, { recursive: true }));

  const run = (...words: string[]): Promise<MayflyResult> => runMayfly(words, { cwd });
  const recorded = async (...words: string[]): Promise<void> => {
    const result = await run(...words, '--passphrase-file', 'pass', '--transcript', 'transcript.txt');
    expect(result.code, result.stderr).to.equal(0);
  };
  const transcript = (): Promise<string> => readFile(join(cwd, 'transcript.txt'), 'utf8');
  const fingerprint = async (file: string): Promise<string> =>
    new X509Certificate(await readFile(join(cwd, file))).fingerprint256.replaceAll(':', '').toLowerCase();

  it('has each command with public fingerprints before and after, and no secret', async () => {
    await recorded('init', '--data', 'data', '--root-key-out', 'root.key.pem');
    const first = await fingerprint('data/ca/chain.pem');
    await recorded('ca', 'renew', '--data', 'data', '--csr', 'request.pem');
    const keys = ['--root', 'data/ca/chain.pem', '--root-key', 'root.key.pem'];
    await recorded('ca', 'sign', 'request.pem', ...keys, '--out', 'chain.pem');
    await recorded('ca', 'renew', '--data', 'data', '--stage', 'chain.pem');
    const next = await fingerprint('chain.pem');
    const text = await transcript();
    const entries = text.split(/^(?==== )/m);
    expect(entries).to.have.length(4);
    const [made = '', , signed = '', staged = ''] = entries;
    expect(made).to.match(/^=== 20.*\ncommand {3}mayfly init .*\nby {8}\S+ at \S+, Mayfly /);
    expect(made).to.match(/before {4}no data directory[^]*outcome {3}done\nended/);
    expect(made).to.include(`after     CA `).and.include(first);
    expect(signed)
      .to.match(/file {6}request\.pem SHA-256 [0-9a-f]{64}\n/)
      .and.include(next);
    const [before = '', after = ''] = ['before', 'after'].map((when) =>
      staged
        .split('\n')
        .filter((line) => line.startsWith(when))
        .join('\n'),
    );
    expect(before).to.include(first).and.not.include(next);
    expect(after).to.include(first).and.include(next);
    for (const [at, entry] of entries.slice(1).entries()) {
      const earlier = entries.slice(0, at + 1).join('');
      expect(entry, 'a chain of hashes').to.include(createHash('sha256').update(earlier).digest('hex'));
    }
    expect(text).not.to.match(/PRIVATE KEY|a secret of the server/);
  });

  it('has what failed, too, and is there before anything is done', async () => {
    await recorded('init', '--data', 'data', '--root-key-out', 'root.key.pem');
    const failed = await run('ca', 'renew', '--data', 'data', '--switch', '--transcript', 'transcript.txt');
    expect(failed.code).to.equal(1);
    expect(await transcript()).to.match(/outcome {3}failed: nothing is staged/);
    const words = ['init', '--data', 'other', '--root-key-out', 'other.key.pem', '--transcript', 'none/file'];
    const refused = await run(...words);
    expect(refused.code).to.equal(1);
    expect(refused.stderr).to.match(/none\/file/);
    const exists = await stat(join(cwd, 'other')).then(
      () => true,
      () => false,
    );
    expect(exists).to.equal(false);
  });
});
