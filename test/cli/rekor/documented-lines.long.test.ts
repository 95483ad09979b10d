import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { dataPaths } from '../../../instance/data-paths.ts';
import { readTrust } from '../../../trust/ledger.ts';
import { makeDataDirectory } from '../../support/data-directory.ts';
import { documentedBlocks, runBlock } from '../../support/documented-blocks.ts';

const CONFIG = 'oidc-issuers: {}\nmayfly: {public-url: "https://ca.example.org"}\n';

describe('docs/rekor.md, to the letter', function () {
  this.timeout(120_000);
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'mayfly-rekor-lines-'));
  });
  afterEach(() => rm(root, { recursive: true }));

  it('adds the logs to a directory of an earlier version, searches them, withholds an entry, and ends one for good', async () => {
    const data = join(root, 'data');
    const passphrase = 'a passphrase of four words';
    await makeDataDirectory(data, { config: CONFIG, passphrase });
    await writeFile(join(root, 'pass'), `${passphrase}\n`, { mode: 0o600 });
    const run = async (section: string, take = (block: string): string => block): Promise<string> => {
      const [block = ''] = await documentedBlocks('rekor.md', section);
      expect(block, section).to.match(/^mayfly rekor /);
      return runBlock(take(block), root, {
        '/var/lib/mayfly': data,
        '/run/secrets/mayfly': join(root, 'pass'),
      });
    };
    const logs = async () => (await readTrust(dataPaths(data))).root.artifactLogs;

    expect(await logs()).to.deep.equal([]);
    expect(await run('A directory that has none'))
      .to.include('Rekor v1')
      .and.include('Rekor v2');
    expect(await logs()).to.have.length(2);
    expect((await logs()).map(({ window }) => window.end)).to.deep.equal([undefined, undefined]);

    // The second line asks a running service.
    const first = (block: string): string => block.split('\n', 1)[0] ?? '';
    // Nobody of that name signed: an empty answer is no failure.
    await run('Searching', first);

    // The own entry of the log: there is no other.
    const [look = '', redact = ''] = await documentedBlocks('rekor.md', 'Redaction');
    const values = { '/var/lib/mayfly': data, '4711': '0' };
    const code = /--confirm ([0-9a-f]{16})\n/.exec(await runBlock(look, root, values))?.[1] ?? '';
    expect(await runBlock(redact, root, { ...values, CODE: code })).to.include('The body of 1 entry is gone');

    await run('The end of a log');
    const ends = (await logs()).map(({ window }) => window.end !== undefined);
    expect(ends, 'v1 goes on, v2 has ended').to.deep.equal([false, true]);
  });
});
