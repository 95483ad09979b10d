import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { check } from '../../../cli/rekor/rekor-check.ts';
import { freeze } from '../../../cli/rekor/rekor-freeze.ts';
import { init } from '../../../cli/rekor/rekor-init.ts';
import { show } from '../../../cli/rekor/rekor-show.ts';
import { CommandError, type Speaker } from '../../../cli/program/command.ts';
import { artifactLogPaths } from '../../../instance/artifact-logs.ts';
import { utf8 } from '../../../core/bytes.ts';
import { openKey } from '../../../instance/open-key.ts';
import { dataPaths, type DataPaths } from '../../../instance/data-paths.ts';
import { openArtifactLog } from '../../../rekor/open-artifact-log.ts';
import { readArtifactLogIdentity } from '../../../rekor/log-identity.ts';
import { readKeyFile } from '../../../instance/private-key-file.ts';
import { KeyFileError } from '../../../signers/key-error.ts';
import { LogError } from '../../../tlog/core/log-error.ts';
import { readTrust } from '../../../trust/ledger.ts';
import { signingConfigOf } from '../../../trust/signing-services.ts';
import { makeDataDirectory } from '../../support/data-directory.ts';
import { artifact } from '../../rekor/support/rekor-log.ts';
import { failureAs } from '../../support/failure.ts';
import { listener } from '../../trust/support/renewable-instance.ts';

describe('mayfly rekor', function () {
  this.timeout(60_000);
  let root: string;
  let data: string;
  let paths: DataPaths;
  let said: string;
  let facts: Record<string, unknown>;
  const speak: Speaker = {
    ...listener(),
    answer: (result, text) => {
      facts = { ...result };
      said = text;
    },
  };

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'mayfly-rekor-'));
    data = join(root, 'data');
    paths = dataPaths(data);
  });
  afterEach(() => rm(root, { recursive: true }));

  const make = async (passphrase?: string): Promise<void> => {
    const config = 'oidc-issuers: {}\nmayfly: {public-url: "https://ca.example.org:8443"}\n';
    await makeDataDirectory(data, { config, ...(passphrase === undefined ? {} : { passphrase }) });
    if (passphrase !== undefined) await writeFile(join(root, 'pass'), `${passphrase}\n`, { mode: 0o600 });
  };
  const withPassphrase = (): { data: string; passphraseFile: string } => ({
    data,
    passphraseFile: join(root, 'pass'),
  });
  const originOf = async (api: 1 | 2): Promise<string> =>
    (await readArtifactLogIdentity(artifactLogPaths(paths, api).directory)).origin;

  it('makes both logs in a directory that has none, named by the public URL, and says what is next', async () => {
    await make();
    const before = await readTrust(paths);
    expect(before.root.artifactLogs).to.deep.equal([]);
    await init({ data }, speak);
    expect(await originOf(1)).to.match(/^ca\.example\.org - \d+$/);
    expect(await originOf(2)).to.equal('ca.example.org');
    expect(said).to.include('Made the log for Rekor v1').and.include('trust export');
    expect(said).to.include('--min-entries 0');
    expect((await readTrust(paths)).root.artifactLogs).to.have.length(2);
    for (const api of [1, 2] as const) {
      const { key, directory } = artifactLogPaths(paths, api);
      expect((await stat(key)).mode & 0o777).to.equal(0o600);
      expect((await stat(directory)).mode & 0o777).to.equal(0o700);
    }
    expect((await failureAs(CommandError, init({ data }, speak))).code).to.equal('REFUSED');
  });

  it('makes one of them, and the other later', async () => {
    await make();
    await init({ data, v2: true, host: 'CA.example.org' }, speak);
    expect(await originOf(2)).to.equal('ca.example.org');
    expect(await readdir(paths.artifacts)).to.deep.equal(['v2']);
    await init({ data }, speak);
    expect((facts['logs'] as { api: string }[]).map(({ api }) => api)).to.deep.equal(['v1']);
  });

  it('makes none under a name that the service would refuse to serve it by', async () => {
    await make();
    const refused = await failureAs(CommandError, init({ data, host: 'other.example' }, speak));
    expect(refused.message).to.include('ca.example.org').and.include('other.example');
    expect((await readTrust(paths)).root.artifactLogs).to.deep.equal([]);
    expect((await readdir(paths.keys)).filter((name) => name.startsWith('artifacts'))).to.deep.equal([]);
  });

  it('takes the name that is given where the configuration has no public URL', async () => {
    await makeDataDirectory(data, { config: 'oidc-issuers: {}\n' });
    await init({ data, v2: true, host: 'log.example.org' }, speak);
    expect(await originOf(2)).to.equal('log.example.org');
    expect((await failureAs(LogError, init({ data, host: 'a b' }, speak))).code).to.equal('LOG_BAD_ORIGIN');
  });

  it('encrypts their keys as the others are, and leaves nothing with a wrong passphrase', async () => {
    await make('secret');
    await failureAs(KeyFileError, init({ data }, speak));
    expect((await readdir(paths.keys)).filter((name) => name.startsWith('artifacts'))).to.deep.equal([]);
    await init(withPassphrase(), speak);
    for (const api of [1, 2] as const) {
      const { key } = artifactLogPaths(paths, api);
      expect(Buffer.from(await readKeyFile(key)).toString()).to.include('ENCRYPTED');
      await openKey(key, { passphrase: 'secret' });
    }
  });

  it('encrypts their keys where the issuing key lies in no file', async () => {
    await make('secret');
    await rm(paths.intermediateKey);
    await init(withPassphrase(), speak);
    for (const api of [1, 2] as const) {
      const { key } = artifactLogPaths(paths, api);
      expect((await failureAs(KeyFileError, openKey(key))).code).to.equal('PASSPHRASE_MISSING');
      await openKey(key, { passphrase: 'secret' });
    }
  });

  it('shows what there is', async () => {
    await make();
    await show({ data }, speak);
    expect(said).to.include('There is no log of artifacts').and.include('rekor init');
    await init({ data }, speak);
    await show({ data }, speak);
    expect(said).to.include('Rekor v1').and.include('ca.example.org').and.include('1 entries');
    expect(facts['logs']).to.have.length(2);
  });

  it('ends one for good when it is named: it is read and trusted, and clients are given the other one', async () => {
    await make();
    await init({ data }, speak);
    const [first, second] = [await originOf(1), await originOf(2)];
    for (const options of [{}, { v1: true, v2: true }])
      expect(
        (await failureAs(CommandError, freeze({ data, confirm: first, ...options }, speak))).code,
      ).to.equal('USAGE');
    expect((await failureAs(CommandError, freeze({ data, v1: true, confirm: second }, speak))).code).to.equal(
      'USAGE',
    );
    for (let round = 0; round < 2; round++) await freeze({ data, v1: true, confirm: first }, speak);
    expect(said).to.include('ended at').and.include('1 entries');
    const trust = await readTrust(paths);
    expect(trust.root.artifactLogs).to.have.length(2);
    expect(trust.root.artifactLogs[1]?.window.end).to.be.a('number');
    const urls = { publicUrl: 'https://ca.example.org', artifactLogs: { v1: true, v2: true } };
    // Entries of the second API need a timestamp, and this directory has no key for them.
    const inForce = { ...trust.inForce, timestampAuthorities: trust.inForce.certificateAuthorities };
    expect(
      signingConfigOf({ ...trust, inForce }, urls).artifactLogs.map(({ majorApiVersion }) => majorApiVersion),
    ).to.deep.equal([2]);
    expect(signingConfigOf(trust, urls).artifactLogs).to.deep.equal([]);
    const { directory, key } = artifactLogPaths(paths, 1);
    const log = await openArtifactLog({ directory, signer: await openKey(key), clock: Date.now });
    try {
      expect(log.status().size).to.equal(1);
      const refusal = await failureAs(LogError, log.add({ body: utf8('{}'), namedDigests: [] }));
      expect(refusal.code).to.equal('LOG_FROZEN');
    } finally {
      await log.close();
    }
    await show({ data }, speak);
    expect(said).to.match(/1 entries, ended at .*\n.*\n.*trusted from .* until /);
  });

  it('checks every byte of them, and names what is wrong', async () => {
    await make();
    await init({ data }, speak);
    for (const api of [1, 2] as const) {
      const { directory, key } = artifactLogPaths(paths, api);
      const log = await openArtifactLog({
        directory,
        signer: await openKey(key),
        clock: Date.now,
      });
      await Promise.all(Array.from({ length: 600 }, (_, i) => log.add(artifact(i))));
      expect(await check({ data }, speak), said).to.equal(true);
      await log.close();
    }
    expect(await check({ data }, speak)).to.equal(true);
    expect(said).to.match(
      /ok: 601 entries of ca\.example\.org - \d+ agree.*\nok: 601 entries of ca\.example\.org agree/,
    );
    for (const [api, file, at] of [
      [1, 'tile/entries/001', 40],
      [1, 'tile/entries/001', -1],
      [2, 'tile/entries/000', 40],
      [2, 'tile/0/000', 40],
      [2, 'checkpoint', 25],
      [2, 'checkpoint', 14],
    ] as const) {
      const path = join(artifactLogPaths(paths, api).directory, file);
      const bytes = await readFile(path);
      const changed = Buffer.from(bytes);
      changed.writeUInt8((changed.at(at) ?? 0) ^ 1, at < 0 ? changed.length + at : at);
      await chmod(path, 0o644);
      await writeFile(path, changed);
      expect(await check({ data }, speak), file).to.equal(false);
      expect(said, file).to.include(`WRONG: v${api}`);
      await writeFile(path, bytes);
    }
    expect(await check({ data }, speak)).to.equal(true);
  });

  it('ends none that a service writes', async () => {
    await make();
    await init({ data }, speak);
    const { directory, key } = artifactLogPaths(paths, 2);
    const log = await openArtifactLog({ directory, signer: await openKey(key), clock: Date.now });
    try {
      const failure = await failureAs(
        LogError,
        freeze({ data, v2: true, confirm: await originOf(2) }, speak),
      );
      expect(failure.code).to.equal('LOG_LOCKED');
    } finally {
      await log.close();
    }
  });
});
