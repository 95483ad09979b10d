import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect } from 'chai';
import type { Speaker } from '../../../cli/program/command.ts';
import { importTuf } from '../../../cli/trust/tuf/tuf-import.ts';
import { signTuf } from '../../../cli/trust/tuf/tuf-sign.ts';
import { stageTuf } from '../../../cli/trust/tuf/tuf-stage.ts';
import { createInstance } from '../../../instance/create-instance.ts';
import { openTufOnlineKeys } from '../../../instance/tuf-online-keys.ts';
import { requireRepository } from '../../../trust/tuf/import-change.ts';
import { stageChange } from '../../../trust/tuf/stage-change.ts';
import { encodeStagedChange } from '../../../trust/tuf/staged-change.ts';
import { failureOf } from '../../support/failure.ts';
import { removeScratch, scratchDirectory } from '../../trust/tuf/support/repository.ts';

const said: string[] = [];
const speak: Speaker = {
  json: false,
  answer: (_result, text) => void said.push(text),
  record: () => Promise.resolve(true),
  note: () => undefined,
  step: () => undefined,
  progress: () => undefined,
};

describe('cli/trust/tuf', () => {
  afterEach(removeScratch);

  it('publishes in the words of what was in force, not of what the file says was, and signs nothing that it cannot show', async () => {
    const scratch = scratchDirectory();
    const data = join(scratch, 'data');
    const { paths } = await createInstance({
      data,
      mode: 'production',
      authority: { organization: 'T', commonName: 'T', keyType: 'p256', rootKey: 'keep' },
      origin: 'ca.example.org/log/2026',
      sctExtensions: 'leaf_index',
      tuf: { rootKey: 'keep', urls: { publicUrl: 'https://a.example.org' } },
      configText: '',
      clock: () => Date.now() - 10_000,
    });
    const files = ['b', 'c'].map((name) => join(scratch, `${name}.json`));
    for (const [index, out] of files.entries()) {
      const url = `https://${'bc'[index] ?? ''}.example.org`;
      writeFileSync(paths.config, `oidc-issuers: {}\nmayfly: {public-url: '${url}'}\n`);
      await stageTuf({ data, out }, speak);
      await signTuf({ key: paths.tufRootKey }, speak, [out]);
      await setTimeout(1100);
    }
    for (const file of files) await importTuf({ data }, speak, [file]);
    expect(said.at(-1))
      .to.match(/no longer for signing: CA https:\/\/b\.example\.org/)
      .and.to.match(/new for signing: CA https:\/\/c\.example\.org/)
      .and.to.not.include('a.example.org');

    const repository = await requireRepository(paths.tuf);
    const contents = new Map([['trusted_root.json', { text: '{"unknown": 1}' }]]);
    const none = { add: [], remove: [] };
    const staged = stageChange(repository, { contents, root: none, targets: none, renew: false }, Date.now());
    if (staged === undefined) throw new Error('nothing would change');
    const file = join(scratch, 'unknown.json');
    writeFileSync(file, encodeStagedChange(staged));
    await signTuf({}, speak, [file]);
    expect(said.at(-1)).to.include('ATTENTION: trusted_root.json cannot be read');
    expect(String(await failureOf(signTuf({ key: paths.tufRootKey }, speak, [file])))).to.match(
      /this is not signed: trusted_root\.json cannot be read/,
    );
    expect(readFileSync(file, 'utf8')).to.equal(encodeStagedChange(staged));
  });

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
