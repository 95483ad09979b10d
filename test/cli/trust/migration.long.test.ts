import { createPrivateKey } from 'node:crypto';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { encodePem } from '../../../core/pem.ts';
import { encodeTrustedRoot, parseTrustedRoot, type TrustedRoot } from '../../../trust/format/trusted-root.ts';
import { emailConfig } from '../../support/data-directory.ts';
import { documentedBlocks, runBlock } from '../../support/documented-blocks.ts';
import { ANYWHERE, runMayfly, startMayfly } from '../../support/mayfly.ts';
import { startIssuer, type TestIssuer } from '../../support/oidc-issuer.ts';
import { vectorPath } from '../../support/vectors.ts';
import { judge, RenewableInstance, stockComplaint } from '../../trust/support/renewable-instance.ts';

const PAGE = 'migration.md';

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
  const run = (block: string | undefined, values: Readonly<Record<string, string>> = {}): Promise<string> =>
    runBlock(block ?? '', scratch, { '/var/lib/mayfly': 'data', ...values });

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
  async function issueNew(): Promise<void> {
    const [start = ''] = await documentedBlocks(PAGE, '6. Switch');
    const words = start.trim().replaceAll('/var/lib/mayfly', 'data').split(' ').slice(1);
    const service = startMayfly([...words, ...ANYWHERE, '--json'], { cwd: scratch });
    try {
      const { url } = JSON.parse(await service.firstLine) as { url: string };
      await writeFile(path('token'), await issuer.sign({ email: 'you@example.com', email_verified: true }));
      const got = await runMayfly(
        ['certificate', '--url', url, '--token-file', 'token', '--trust', 'trust', '--out', 'new'],
        { cwd: scratch },
      );
      expect(got.code, got.stderr).to.equal(0);
      await copyFile(path('new/cert.pem'), path('new.pem'));
    } finally {
      service.child.kill('SIGTERM');
      await service.ended;
    }
  }

  it('takes the deployment over: what it signed verifies before and after, and what is signed here too', async () => {
    const before = await old.sign();
    const theirs = await leave();
    expect((await judge(before, theirs)).ok, 'before').to.equal(true);
    expect(stockComplaint(before, theirs)).to.equal(undefined);
    await writeFile(path('old.pem'), encodePem('CERTIFICATE', before.certificate));

    const made = await run((await documentedBlocks(PAGE, '1. Adopt the CA and the configuration'))[0]);
    expect(made).to.match(/1 issuer, 0 meta issuers, 0 rules[^]*has no allow rule/);
    await run((await documentedBlocks(PAGE, '2. See whom it lets in'))[0]);
    const [take] = await documentedBlocks(PAGE, '3. Import what is trusted');
    const said = await run(take);
    expect(said).to.match(/certificate log .*\/log\/2026\/.*[^]*artifact log https:\/\/rekor\.sigstore\.dev/);
    expect(await run(take)).to.match(/^Nothing is new/);
    await run((await documentedBlocks(PAGE, '4. Make a key for timestamps'))[0]);
    await run((await documentedBlocks(PAGE, '5. Hand out the trust, before anything is issued here'))[0]);
    await issueNew();

    const [, verify = ''] = await documentedBlocks(PAGE, '6. Switch');
    const [oldLine = '', newLine = ''] = verify.trim().split('\n');
    await run(oldLine, {
      'you@example.com': 'alice@example.org',
      'https://accounts.example.com': 'https://issuer.example.org',
    });
    await run(newLine, { 'https://accounts.example.com': issuer.url });

    const { logId = new Uint8Array() } = (await old.trustedRoot()).certificateLogs[0] ?? {};
    const [end] = await documentedBlocks(PAGE, '7. End what has ended');
    await run(end, { 'LOG-ID': Buffer.from(logId).toString('base64') });
    await run((await documentedBlocks(PAGE, '5. Hand out the trust, before anything is issued here'))[0]);
    const given = parseTrustedRoot(await readFile(path('trust/trusted_root.json'), 'utf8'));
    expect((await judge(before, given)).ok, 'after').to.equal(true);
    expect(stockComplaint(before, given), 'after, by sigstore-js').to.equal(undefined);
    const here = RenewableInstance.at(scratch, 'data', 'secret');
    const after = await here.sign();
    expect((await judge(after, await here.trustedRoot())).ok).to.equal(true);
    expect(stockComplaint(after, await here.trustedRoot())).to.equal(undefined);
  });
});
