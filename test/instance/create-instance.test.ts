import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { adoptAuthority } from '../../ca/adopt.ts';
import { readTimestampChain } from '../../ca/timestamp-chain.ts';
import { describeName } from '../../core/distinguished-name.ts';
import {
  createInstance,
  type CreatedInstance,
  type ExistingAuthority,
  type NewAuthority,
} from '../../instance/create-instance.ts';
import type { Mode } from '../../instance/data-marker.ts';
import { loadKeyFile } from '../../signers/key-file.ts';

const NEW: NewAuthority = { organization: 'Test', commonName: 'Test CA', keyType: 'p384', rootKey: 'keep' };

describe('instance/create-instance', () => {
  let root: string;
  beforeEach(async () => (root = await mkdtemp(join(tmpdir(), 'mayfly-instance-'))));
  afterEach(() => rm(root, { recursive: true }));

  const make = (
    name: string,
    authority: NewAuthority | ExistingAuthority,
    mode: Mode = 'production',
  ): Promise<CreatedInstance> =>
    createInstance({
      data: join(root, name),
      mode,
      authority,
      origin: 'localhost/log/2026',
      sctExtensions: 'leaf_index',
      configText: 'oidc-issuers: {}\n',
      clock: Date.now,
    });

  for (const [mode, name] of [
    ['production', 'CN=Test CA timestamps, O=Test'],
    ['dev', 'CN=INSECURE DEV Test CA timestamps, O=INSECURE DEV Test'],
  ] as const)
    it(`makes a P-256 key for timestamps whatever the CA's type is, whose name says what it is for: ${mode}`, async () => {
      const { paths, timestamps, chain } = await make('data', NEW, mode);
      const { publicKey: spki, algorithm } = await loadKeyFile(await readFile(paths.timestampKey));
      const pem = await readFile(paths.timestampChain, 'utf8');
      const { certificates } = readTimestampChain(pem, { now: Date.now(), spki });
      expect([algorithm, timestamps?.subject]).to.deep.equal(['ecdsa-p256-sha256', name]);
      expect(certificates.map(({ subject }) => describeName(subject))).to.deep.equal([
        name,
        chain.at(-1)?.subject,
      ]);
    });

  it('makes none for a CA that is adopted, and leaves no trace of one', async () => {
    const { paths } = await make('first', NEW);
    const adopted = await adoptAuthority({
      key: await readFile(paths.intermediateKey),
      chainPem: await readFile(paths.chain, 'utf8'),
      clock: Date.now,
    });
    const { timestamps, paths: second } = await make('second', adopted);
    expect(timestamps).to.equal(undefined);
    expect(await readdir(second.root)).not.to.include('tsa');
    expect((await readdir(second.keys)).filter((file) => file.startsWith('tsa'))).to.deep.equal([]);
  });
});
