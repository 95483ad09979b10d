import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  credentialPaths,
  keyLeftBehind,
  makeOutputDirectory,
  requireReplaceable,
  writeCredentials,
  type CredentialPaths,
} from '../../../cli/certificate/credential-files.ts';
import { CommandError } from '../../../cli/program/command.ts';
import { giveToOrdinaryUser, needOrdinaryUser, refusalAsOrdinaryUser } from '../../support/ordinary-user.ts';
import { skipUnless } from '../../support/skipped.ts';
import { failureOf } from '../../support/failure.ts';

describe('cli/certificate/credential-files', () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mayfly-files-'));
  });

  afterEach(async () => {
    await rm(directory, { recursive: true });
  });

  /** A key and a self-signed certificate by openssl; `extension` is Fulcio's issuer, if wanted. */
  function makePair(extension?: string): { key: string; certificate: string } {
    const [key, certificate] = [join(directory, 'k'), join(directory, 'c')];
    const words = [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-subj',
      '/CN=x',
    ];
    const more =
      extension === undefined ? [] : ['-addext', `1.3.6.1.4.1.57264.1.8=ASN1:UTF8String:${extension}`];
    execFileSync('openssl', [...words, ...more, '-keyout', key, '-out', certificate], { stdio: 'ignore' });
    return { key, certificate };
  }

  const kept = (): string => join(directory, 'key.pem');
  const allPaths = (): CredentialPaths & { key: string } => ({
    ...credentialPaths(directory, kept()),
    key: kept(),
  });

  async function refusal(paths: CredentialPaths = allPaths()): Promise<CommandError | undefined> {
    try {
      await requireReplaceable(paths);
      return undefined;
    } catch (error) {
      if (error instanceof CommandError) return error;
      throw error;
    }
  }

  async function place(files: { key: string; certificate: string }): Promise<void> {
    const paths = allPaths();
    await writeFile(paths.key, await readFile(files.key));
    await writeFile(paths.certificate, await readFile(files.certificate));
  }

  it('writes into an empty directory and lets only the owner read the key', async () => {
    const paths = allPaths();
    expect(await refusal()).to.equal(undefined);
    await writeCredentials(paths, { key: 'k', certificate: 'c', chain: 'h' });
    expect((await stat(paths.key)).mode & 0o777).to.equal(0o600);
    expect(await readFile(paths.chain, 'utf8')).to.equal('h');
    expect((await readdir(directory)).sort()).to.deep.equal(['cert.pem', 'chain.pem', 'key.pem']);
  });

  it('replaces what an earlier run wrote', async () => {
    await place(makePair('https://issuer.example.com'));
    expect(await refusal()).to.equal(undefined);
    await writeCredentials(allPaths(), { key: 'new', certificate: 'c', chain: 'h' });
    expect(await readFile(join(directory, 'key.pem'), 'utf8')).to.equal('new');
  });

  it("replaces nobody else's key", async () => {
    await place(makePair());
    expect((await refusal())?.hint).to.contain('--force');
    await writeFile(join(directory, 'cert.pem'), 'not a certificate');
    expect(await refusal()).to.not.equal(undefined);
    await rm(join(directory, 'cert.pem'));
    expect(await refusal()).to.not.equal(undefined);
  });

  it('replaces no key that does not belong to the certificate beside it', async () => {
    await place(makePair('https://issuer.example.com'));
    await writeFile(join(directory, 'key.pem'), await readFile(makePair().key));
    expect(await refusal()).to.not.equal(undefined);
  });

  it('looks at no key that is not asked for, and writes none', async () => {
    const paths = credentialPaths(directory, undefined);
    await writeFile(kept(), 'precious');
    expect(await refusal(paths)).to.equal(undefined);
    await writeCredentials(paths, { key: 'k', certificate: 'c', chain: 'h' });
    expect(await readFile(kept(), 'utf8')).to.equal('precious');
    expect((await readdir(directory)).sort()).to.deep.equal(['cert.pem', 'chain.pem', 'key.pem']);
    expect((await refusal(paths))?.message, 'a certificate that names no issuer').to.contain('cert.pem');
  });

  it('replaces no chain that stands alone', async () => {
    await writeFile(join(directory, 'chain.pem'), 'a chain');
    expect((await refusal(credentialPaths(directory, undefined)))?.message).to.contain('chain.pem');
  });

  it('finds the key that an earlier version left beside its certificate, and no other', async () => {
    const without = credentialPaths(directory, undefined);
    expect(await keyLeftBehind(directory, without)).to.equal(undefined);
    await place(makePair('https://issuer.example.com'));
    expect(await keyLeftBehind(directory, without)).to.equal(kept());
    expect(await keyLeftBehind(directory, allPaths()), 'it is replaced').to.equal(undefined);
    await writeFile(kept(), await readFile(makePair().key));
    expect(await keyLeftBehind(directory, without)).to.equal(undefined);
  });

  it('leaves nothing half-written behind when a file cannot be put in place', async () => {
    const paths = allPaths();
    await mkdir(paths.key);
    let thrown: unknown;
    try {
      await writeCredentials(paths, { key: 'k', certificate: 'c', chain: 'h' });
    } catch (error) {
      thrown = error;
    }
    expect(thrown).to.be.instanceOf(CommandError);
    expect(await readdir(directory)).to.deep.equal(['key.pem']);
  });

  it('says at once when the directory cannot be made', async function () {
    skipUnless(this, process.platform === 'linux', 'this is not Linux');
    const thrown: unknown = await failureOf(makeOutputDirectory('/proc/mayfly/out'));
    expect(thrown).to.be.instanceOf(CommandError);
    expect((thrown as CommandError).message).to.contain('no directory can be made there');
  });

  it('says why when the directory cannot be written', async function () {
    needOrdinaryUser(this);
    await giveToOrdinaryUser(directory);
    await chmod(directory, 0o500);
    const contents = { key: 'k', certificate: 'c', chain: 'h' };
    const words = ['cli/certificate/credential-files', 'writeCredentials'] as const;
    const thrown = refusalAsOrdinaryUser(...words, allPaths(), contents);
    await chmod(directory, 0o700);
    expect(thrown?.message).to.contain('this user may not');
  });
});
