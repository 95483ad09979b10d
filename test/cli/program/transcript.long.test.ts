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

  it('has the ceremonies of TUF, with what was in force and is now, and which file was signed', async () => {
    const run = (...words: string[]): Promise<void> => recorded('trust', 'tuf', ...words);
    await recorded('init', '--data', 'data', '--root-key-out', 'root.key.pem');
    await run('key', '--out', 'alice.key.pem');
    const edits = ['--add-key', 'alice.pub.pem', '--out', 'change.json'];
    await run('stage', '--data', 'data', ...edits);
    await run('sign', 'change.json', '--key', 'tuf-root.key.pem');
    await run('sign', 'change.json', '--key', 'alice.key.pem');
    await run('import', 'change.json', '--data', 'data');
    const entries = (await transcript()).split(/^(?==== )/m);
    expect(entries).to.have.length(6);
    const [, , staged = '', signed = '', , imported = ''] = entries;
    expect(staged).to.match(/file {6}alice\.pub\.pem SHA-256 /);
    expect(signed)
      .to.match(/command {3}mayfly trust tuf sign change\.json /)
      .and.to.match(/file {6}change\.json SHA-256 [0-9a-f]{64}\n/)
      .and.to.match(/said {6}Root: version 1 becomes 2/);
    const sum = (when: string): string =>
      new RegExp(`^${when} +TUF root version \\d+ SHA-256 ([0-9a-f]{64})$`, 'm').exec(imported)?.[1] ?? '';
    for (const [when, file] of [
      ['before', '1.root.json'],
      ['after', '2.root.json'],
    ] as const)
      expect(sum(when)).to.equal(
        createHash('sha256')
          .update(await readFile(join(cwd, 'data', 'tuf', file)))
          .digest('hex'),
      );
    expect(await transcript()).not.to.match(/PRIVATE KEY|a secret of the server/);
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
