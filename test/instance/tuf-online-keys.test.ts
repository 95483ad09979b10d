import type { KeyObject } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { openTufOnlineKeys } from '../../instance/tuf-online-keys.ts';
import { writeKeyPem } from '../../signers/key-file.ts';
import { generateKey } from '../../signers/key-types.ts';
import { localSigner } from '../../signers/local-signer.ts';
import { failureOf } from '../support/failure.ts';
import { change, removeScratch, scratchDirectory, testRepository } from '../trust/tuf/support/repository.ts';

describe('instance/tuf-online-keys', () => {
  afterEach(removeScratch);

  it('opens the key that the root names whatever is wrong with the other, and says what is wrong with both where none is', async () => {
    const made = await testRepository(Date.now() - 10_000);
    const next = await generateKey('p256');
    const old = (await made.read()).root;
    const onlineKey = localSigner(next).publicKey;
    const { root } = await change(made, { onlineKey }, { online: [next] });
    const directory = scratchDirectory();
    const paths = { tufOnlineKey: join(directory, 'now.pem'), nextTufOnlineKey: join(directory, 'next.pem') };
    const good = (key: KeyObject): string => writeKeyPem(key);
    const bad: readonly ((key: KeyObject) => string)[] = [
      (key) => writeKeyPem(key, 'other'),
      (key) => good(key).slice(0, 120),
      () => '',
    ];
    const put = (now: string, waiting: string): void => {
      writeFileSync(paths.tufOnlineKey, now);
      writeFileSync(paths.nextTufOnlineKey, waiting);
    };
    for (const spoil of bad) {
      put(good(made.onlineKey), spoil(next));
      const inUse = await openTufOnlineKeys(paths, old, 'right');
      expect(inUse.opened.map(({ file }) => file)).to.deep.equal([paths.tufOnlineKey]);
      expect(inUse.unopened.map(({ file }) => file)).to.deep.equal([paths.nextTufOnlineKey]);
      expect(await failureOf(openTufOnlineKeys(paths, root, 'right'))).to.have.property('code');

      put(spoil(made.onlineKey), good(next));
      const following = await openTufOnlineKeys(paths, root, 'right');
      expect(following.opened.map(({ file }) => file)).to.deep.equal([paths.nextTufOnlineKey]);
      expect(await failureOf(openTufOnlineKeys(paths, old, 'right'))).to.have.property('code');
    }
    put(good(made.onlineKey), good(next));
    expect((await openTufOnlineKeys(paths, root, 'right')).opened).to.have.length(2);
    for (const file of Object.values(paths)) rmSync(file);
    expect(await openTufOnlineKeys(paths, root, 'right')).to.deep.equal({ opened: [], unopened: [] });
  });
});
