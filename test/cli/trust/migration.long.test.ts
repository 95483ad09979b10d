import { createPrivateKey } from 'node:crypto';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { encodePem } from '../../../core/pem.ts';
import { encodeTrustedRoot, parseTrustedRoot, type TrustedRoot } from '../../../trust/format/trusted-root.ts';
import { emailConfig } from '../../support/data-directory.ts';
import { runMayfly } from '../../support/mayfly.ts';
import { startIssuer, type TestIssuer } from '../../support/oidc-issuer.ts';
import { vectorPath } from '../../support/vectors.ts';
import { judge, RenewableInstance, stockComplaint } from '../../trust/support/renewable-instance.ts';
import { MigrationWalk } from './support/migration-walk.ts';

describe('docs/migration.md, to the letter', function () {
  this.timeout(180_000);
  let old: RenewableInstance;
  let scratch: string;
  let issuer: TestIssuer;
  before(async () => (issuer = await startIssuer()));
  after(() => issuer.close());
  beforeEach(async () => {
    old = await RenewableInstance.make();
    scratch = await mkdtemp(join(tmpdir(), 'mayfly-migration-'));
  });
  afterEach(async () => {
    await old.remove();
    await rm(scratch, { recursive: true });
  });

  const path = (name: string): string => join(scratch, name);

  /** What the old deployment leaves: key and chain, the configuration, and the trusted root of its clients, which holds the public Sigstore beside it. */
  async function leave(): Promise<TrustedRoot> {
    const key = createPrivateKey(await readFile(old.paths.intermediateKey));
    const encrypted = key.export({
      type: 'pkcs8',
      format: 'pem',
      cipher: 'aes-256-cbc',
      passphrase: 'secret',
    });
    await writeFile(path('fulcio.key.pem'), encrypted);
    await writeFile(path('pass'), 'secret\n', { mode: 0o600 });
    await copyFile(old.paths.chain, path('fulcio-chain.pem'));
    await copyFile(old.path('root.key.pem'), path('root.key.pem'));
    await writeFile(path('fulcio-config.yaml'), emailConfig(issuer.url, '{}').replace(/^mayfly.*\n/m, ''));
    const own = await old.trustedRoot();
    const others = parseTrustedRoot(await readFile(vectorPath('public-good/trusted_root.json'), 'utf8'));
    const root: TrustedRoot = {
      certificateAuthorities: [...own.certificateAuthorities, ...others.certificateAuthorities],
      certificateLogs: [...own.certificateLogs, ...others.certificateLogs],
      timestampAuthorities: [...own.timestampAuthorities, ...others.timestampAuthorities],
      artifactLogs: others.artifactLogs,
    };
    await writeFile(path('trusted_root.json'), encodeTrustedRoot(root));
    return root;
  }

  /** A certificate of the running service, as a client gets it. */
  async function issueNew(url: string): Promise<void> {
    await writeFile(path('token'), await issuer.sign({ email: 'you@example.com', email_verified: true }));
    const got = await runMayfly(
      ['certificate', '--url', url, '--token-file', 'token', '--trust', 'trust', '--out', 'new'],
      { cwd: scratch },
    );
    expect(got.code, got.stderr).to.equal(0);
    await copyFile(path('new/cert.pem'), path('new.pem'));
  }

  it('takes the deployment over: what it signed verifies before and after, and what is signed here too', async () => {
    const before = await old.sign();
    const theirs = await leave();
    expect((await judge(before, theirs)).ok, 'before').to.equal(true);
    expect(stockComplaint(before, theirs)).to.equal(undefined);
    await writeFile(path('old.pem'), encodePem('CERTIFICATE', before.certificate));

    const walk = new MigrationWalk(scratch);
    expect(await walk.adopt()).to.match(/1 issuer, 0 meta issuers, 0 rules[^]*has no allow rule/);
    const said = await walk.takeTrust();
    expect(said).to.match(/certificate log .*\/log\/2026\/.*[^]*artifact log https:\/\/rekor\.sigstore\.dev/);
    expect(await walk.takeTrust()).to.match(/^Nothing is new/);
    await walk.addTimestamps();
    await walk.handOut();
    await walk.serve(issueNew);
    await walk.verify('old', { identity: 'alice@example.org', issuer: 'https://issuer.example.org' });
    await walk.verify('new', { identity: 'you@example.com', issuer: issuer.url });

    const { logId = new Uint8Array() } = (await old.trustedRoot()).certificateLogs[0] ?? {};
    await walk.end(logId);
    const given = parseTrustedRoot(await readFile(path('trust/trusted_root.json'), 'utf8'));
    expect((await judge(before, given)).ok, 'after').to.equal(true);
    expect(stockComplaint(before, given), 'after, by sigstore-js').to.equal(undefined);
    const here = RenewableInstance.at(scratch, 'data', 'secret');
    const after = await here.sign();
    expect((await judge(after, await here.trustedRoot())).ok).to.equal(true);
    expect(stockComplaint(after, await here.trustedRoot())).to.equal(undefined);
  });
});
