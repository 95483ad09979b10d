import { existsSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { createInstance } from '../../instance/create-instance.ts';
import { createTuf, type CreatedTuf } from '../../instance/create-tuf.ts';
import { loadKeyFile } from '../../signers/key-file.ts';
import { keysOf } from '../../trust/tuf/new-metadata.ts';
import { readRepository } from '../../trust/tuf/repository.ts';
import { isKey } from '../../trust/tuf/tuf-key.ts';
import { failureOf } from '../support/failure.ts';
import { removeScratch, scratchDirectory, withRenames } from '../trust/tuf/support/repository.ts';

describe('instance/create-tuf', () => {
  afterEach(removeScratch);

  it('leaves the root key of every repository that counts, wherever the disk fails, and of no other', async () => {
    const scratch = scratchDirectory();
    const { paths } = await createInstance({
      data: join(scratch, 'data'),
      mode: 'production',
      authority: { organization: 'T', commonName: 'T', keyType: 'p256', rootKey: 'keep' },
      origin: 'ca.example.org/log/2026',
      sctExtensions: 'leaf_index',
      configText: '',
      clock: Date.now,
    });
    const file = join(scratch, 'tuf-root.key.pem');
    const making = (): Promise<CreatedTuf> =>
      createTuf(
        paths,
        { rootKey: { file }, urls: { publicUrl: 'https://ca.example.org' } },
        { clock: Date.now },
      );
    const states: string[] = [];
    for (let count = 0, done = 0; done === Math.max(0, count - 1); count++) {
      rmSync(paths.tuf, { recursive: true, force: true });
      rmSync(file, { force: true });
      let failure: unknown;
      done = await withRenames(count, async () => {
        failure = await failureOf(making()).catch(() => undefined);
      });
      const repository = await readRepository(paths.tuf);
      expect(existsSync(file), `after ${count} renames`).to.equal(repository !== undefined);
      states.push(repository === undefined ? 'none' : failure === undefined ? 'made' : 'counts');
      if (repository === undefined) continue;
      const { publicKey } = await loadKeyFile(await readFile(file));
      expect(keysOf(repository.root.signed).root.keys.map((key) => isKey(key, publicKey))).to.deep.equal([
        true,
      ]);
      if (failure !== undefined)
        expect((failure as Error).message).to.match(/counts, but not all of it could be written: /);
      expect(String(await failureOf(making()))).to.match(/holds a TUF repository already/);
      expect(existsSync(file)).to.equal(true);
    }
    expect(states.join(' ')).to.match(/^(none )+(counts )+made ?(made)?$/);
  });
});
