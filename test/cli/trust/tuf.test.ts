import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect } from 'chai';
import type { Speaker } from '../../../cli/program/command.ts';
import { isInside } from '../../../cli/program/output-directory.ts';
import { initTuf } from '../../../cli/trust/tuf/tuf-init.ts';
import { makeTufKey } from '../../../cli/trust/tuf/tuf-key-file.ts';
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

  it('makes a key in two files or in none, and leaves what is there', async () => {
    const scratch = scratchDirectory();
    const [out, publicFile] = [join(scratch, 'a.key.pem'), join(scratch, 'a.pub.pem')];
    writeFileSync(publicFile, 'another one');
    expect(await failureOf(makeTufKey({ out }, speak))).to.have.property('code', 'REFUSED');
    expect([existsSync(out), readFileSync(publicFile, 'utf8')]).to.deep.equal([false, 'another one']);
    rmSync(publicFile);
    await makeTufKey({ out }, speak);
    const key = readFileSync(out);
    rmSync(publicFile);
    expect(await failureOf(makeTufKey({ out }, speak))).to.have.property('code', 'REFUSED');
    expect(readFileSync(out).equals(key)).to.equal(true);
  });

  it('takes a root key file for one inside of the data directory whose name begins with dots', async () => {
    const data = join(scratchDirectory(), 'data');
    const error = await failureOf(initTuf({ data, tufRootKeyOut: join(data, '..key.pem') }, speak));
    expect(String(error)).to.include('--tuf-root-key-out lies inside the data directory');
    for (const [path, inside] of [
      ['/a/b', true],
      ['/a/b/..c', true],
      ['/a/b/../c', false],
      ['/a/bc', false],
      ['/a', false],
    ] as const)
      expect(isInside('/a/b', resolve(path)), path).to.equal(inside);
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

  it('makes an online key under the passphrase of the other keys where the CA has no key file', async () => {
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
    rmSync(paths.intermediateKey);
    const passphraseFile = join(scratch, 'pass');
    const out = join(scratch, 'change.json');
    const stage = (words: Partial<Parameters<typeof stageTuf>[0]>): Promise<unknown> => {
      rmSync(out, { force: true });
      return stageTuf({ data, out, newOnlineKey: true, ...words }, speak);
    };
    expect(await failureOf(stage({}))).to.have.property('code', 'PASSPHRASE_MISSING');
    writeFileSync(passphraseFile, 'wrong', { mode: 0o600 });
    expect(await failureOf(stage({ passphraseFile }))).to.have.property('code', 'PASSPHRASE_WRONG');
    expect(existsSync(paths.nextTufOnlineKey)).to.equal(false);
    writeFileSync(passphraseFile, 'right', { mode: 0o600 });
    const isEncrypted = (): boolean =>
      readFileSync(paths.nextTufOnlineKey, 'utf8').includes('BEGIN ENCRYPTED PRIVATE KEY');
    await stage({ passphraseFile });
    expect(isEncrypted()).to.equal(true);
    // The online key may be the last one in a file, and lost.
    for (const name of readdirSync(paths.keys)) rmSync(join(paths.keys, name));
    await stage({ passphraseFile });
    expect(isEncrypted()).to.equal(true);
  });

  it('says that a key waits already, makes another one when asked to, and never in place of one in use', async () => {
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
      clock: () => Date.now() - 10_000,
    });
    const out = (name: string): string => join(scratch, `${name}.json`);
    const stage = (name: string, over: object = {}): Promise<unknown> =>
      stageTuf({ data, out: out(name), newOnlineKey: true, ...over }, speak);
    const waiting = (): string => readFileSync(paths.nextTufOnlineKey, 'utf8');
    await stage('first');
    expect(said.at(-1)).to.include('Online key: a new one waits in');
    const first = waiting();
    await stage('second');
    expect(said.at(-1)).to.match(/the one that waits in .* since 20\d\d-.*--replace-waiting/);
    expect(waiting()).to.equal(first);
    expect(
      await failureOf(stageTuf({ data, out: out('third'), renew: true, replaceWaiting: true }, speak)),
    ).to.have.property('code', 'USAGE');
    expect(waiting()).to.equal(first);
    await stage('third', { replaceWaiting: true });
    expect(said.at(-1)).to.include('What was staged with the one before cannot be imported any more.');
    expect(waiting()).to.not.equal(first);
    for (const name of ['second', 'third']) await signTuf({ key: paths.tufRootKey }, speak, [out(name)]);
    expect(await failureOf(importTuf({ data }, speak, [out('second')]))).to.have.property(
      'code',
      'TUF_REFUSED',
    );

    // The import is interrupted when all is published: the key that waits is the one in use.
    const keys = [readFileSync(paths.tufOnlineKey), readFileSync(paths.nextTufOnlineKey)] as const;
    await importTuf({ data }, speak, [out('third')]);
    expect(said.at(-1)).to.include('Make a backup of the directory now');
    writeFileSync(paths.tufOnlineKey, keys[0]);
    writeFileSync(paths.nextTufOnlineKey, keys[1]);
    const error = await failureOf(stage('fourth', { replaceWaiting: true }));
    expect(String(error)).to.match(/is in use, or nobody can say that it is not/);
    expect(readFileSync(paths.nextTufOnlineKey).equals(keys[1])).to.equal(true);
  });

  it('brings a directory from before a lost online key back by the change that replaced it and one on top', async () => {
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
      clock: () => Date.now() - 10_000,
    });
    const [online, after] = ['online', 'after'].map((name) => join(scratch, `${name}.json`)) as [
      string,
      string,
    ];
    cpSync(data, `${data}.backup`, { recursive: true });
    await stageTuf({ data, out: online, newOnlineKey: true }, speak);
    expect(
      String(await failureOf(stageTuf({ data, out: after, on: [online], renew: true }, speak))),
    ).to.match(/nothing can be staged on a change that lacks signatures/);
    await signTuf({ key: paths.tufRootKey }, speak, [online]);
    await importTuf({ data }, speak, [online]);
    const seen = await requireRepository(paths.tuf);
    rmSync(data, { recursive: true });
    cpSync(`${data}.backup`, data, { recursive: true });

    expect(await failureOf(importTuf({ data }, speak, [online])))
      .to.have.property('hint')
      .that.includes('stage --on FILE --new-online-key');
    await stageTuf({ data, out: after, on: [online], newOnlineKey: true }, speak);
    expect(said.at(-1)).to.include(`trust tuf import ${online} ${after} --data`);
    await signTuf({ key: paths.tufRootKey }, speak, [after]);
    expect(await failureOf(importTuf({ data }, speak, [after]))).to.have.property('code', 'TUF_REFUSED');
    expect(await failureOf(importTuf({ data }, speak, [after, online]))).to.have.property(
      'code',
      'TUF_REFUSED',
    );
    await importTuf({ data }, speak, [online, after]);
    const repository = await requireRepository(paths.tuf);
    expect(repository.root.signed.version).to.equal(3);
    // What clients have seen.
    expect(repository.files.get('2.root.json')).to.deep.equal(seen.files.get('2.root.json'));
    expect(existsSync(paths.nextTufOnlineKey)).to.equal(false);
  });
});
