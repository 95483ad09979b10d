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

  const instanceIn = (scratch: string): ReturnType<typeof createInstance> =>
    createInstance({
      data: join(scratch, 'data'),
      mode: 'production',
      authority: { organization: 'T', commonName: 'T', keyType: 'p256', rootKey: 'keep' },
      origin: 'ca.example.org/log/2026',
      sctExtensions: 'leaf_index',
      configText: '',
      clock: Date.now,
    });

  it('makes one repository where several make one at once, and keeps its keys and no others', async () => {
    const scratch = scratchDirectory();
    const { paths } = await instanceIn(scratch);
    rmSync(paths.tuf, { recursive: true, force: true });
    rmSync(paths.tufOnlineKey, { force: true });
    const files = ['a.pem', 'b.pem', 'c.pem'].map((name) => join(scratch, name));
    const made = await Promise.allSettled(
      files.map((file) =>
        createTuf(
          paths,
          { rootKey: { file }, urls: { publicUrl: 'https://ca.example.org' } },
          { clock: Date.now },
        ),
      ),
    );
    expect(made.filter(({ status }) => status === 'fulfilled')).to.have.length(1);
    for (const one of made)
      if (one.status === 'rejected') expect(String(one.reason)).to.match(/holds a TUF repository already/);
    const { signed } = (await readRepository(paths.tuf))?.root ?? {};
    if (signed === undefined) throw new Error('there is no repository');
    const isKeyOf = async (role: 'root' | 'timestamp', file: string): Promise<boolean> => {
      const { publicKey } = await loadKeyFile(await readFile(file));
      return keysOf(signed)[role].keys.some((key) => isKey(key, publicKey));
    };
    expect(await isKeyOf('timestamp', paths.tufOnlineKey)).to.equal(true);
    const left = files.filter((file) => existsSync(file));
    expect(left).to.have.length(1);
    expect(await isKeyOf('root', left[0] ?? '')).to.equal(true);
  });

  it('leaves the root key of every repository that counts, wherever the disk fails, and of no other', async () => {
    const scratch = scratchDirectory();
    const { paths } = await instanceIn(scratch);
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
