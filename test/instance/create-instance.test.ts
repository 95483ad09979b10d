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
import { artifactLogsIn } from '../../instance/artifact-logs.ts';
import { readArtifactLogIdentity } from '../../rekor/log-identity.ts';
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
    more: { readonly artifactHost?: string } = {},
  ): Promise<CreatedInstance> =>
    createInstance({
      data: join(root, name),
      mode,
      authority,
      origin: 'localhost/log/2026',
      sctExtensions: 'leaf_index',
      configText: 'oidc-issuers: {}\n',
      clock: Date.now,
      ...more,
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

  it('makes two logs of artifacts, named after the host of the public URL, where there is one', async () => {
    const { paths, artifactLogs } = await make('without', NEW);
    expect(artifactLogs).to.deep.equal([]);
    expect(await artifactLogsIn(paths)).to.deep.equal([]);
    const made = await make('with', NEW, 'production', { artifactHost: 'ca.example.org' });
    const logs = await artifactLogsIn(made.paths);
    expect(logs.map(({ api }) => api)).to.deep.equal([1, 2]);
    const identities = await Promise.all(logs.map(({ directory }) => readArtifactLogIdentity(directory)));
    expect(identities).to.deep.equal(made.artifactLogs);
    expect(identities.map(({ host }) => host)).to.deep.equal(['ca.example.org', 'ca.example.org']);
    for (const [i, { key }] of logs.entries()) {
      const { publicKey } = await loadKeyFile(await readFile(key));
      expect(publicKey).to.deep.equal(identities[i]?.publicKey);
    }
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
