import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Speaker } from '../../../cli/program/command.ts';
import { stageTuf } from '../../../cli/trust/tuf/tuf-stage.ts';
import { createInstance } from '../../../instance/create-instance.ts';
import { openTufOnlineKeys } from '../../../instance/tuf-online-keys.ts';
import { requireRepository } from '../../../trust/tuf/import-change.ts';
import { failureOf } from '../../support/failure.ts';
import { removeScratch, scratchDirectory } from '../../trust/tuf/support/repository.ts';

const speak: Speaker = {
  json: false,
  answer: () => undefined,
  record: () => Promise.resolve(true),
  note: () => undefined,
  progress: () => undefined,
};

describe('cli/trust/tuf', () => {
  afterEach(removeScratch);

  it('makes no online key under a passphrase with which the service could not open it', async () => {
    const scratch = scratchDirectory();
    const data = join(scratch, 'data');
    const { paths } = await createInstance({
      data,
      mode: 'production',
      authority: { organization: 'T', commonName: 'T', keyType: 'p256', rootKey: 'keep' },
      origin: 'ca.example.org/log/2026',
      sctExtensions: 'leaf_index',
      tuf: { rootKey: 'keep', urls: { publicUrl: 'https://ca.example.org' } },
      configText: '',
      passphrase: 'right',
      clock: Date.now,
    });
    const stage = (passphrase: string): Promise<unknown> => {
      const passphraseFile = join(scratch, passphrase);
      writeFileSync(passphraseFile, passphrase, { mode: 0o600 });
      const out = join(scratch, `${passphrase}.json`);
      return stageTuf({ data, out, newOnlineKey: true, passphraseFile }, speak);
    };
    expect(await failureOf(stage('wrong'))).to.have.property('code', 'PASSPHRASE_WRONG');
    expect(existsSync(paths.nextTufOnlineKey)).to.equal(false);
    await stage('right');
    const { root } = await requireRepository(paths.tuf);
    expect((await openTufOnlineKeys(paths, root, 'right')).opened).to.have.length(2);
  });
});
