/** A stock Fulcio whose certificate log is Mayfly's: it issues with our SCTs, which our verifier and cosign accept. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import {
  findFulcio,
  FULCIO_VERSION,
  startFulcioProgram,
  type RunningFulcio,
} from '../../bench/fulcio-program.ts';
import { stop } from '../../bench/process.ts';
import { findExtension, parseCertificate } from '../../core/certificate.ts';
import { toBase64 } from '../../core/bytes.ts';
import { decodePem, encodePem } from '../../core/pem.ts';
import { checkDirectory } from '../../ct-log/check-directory.ts';
import { openDirectorySource } from '../../ct-log/directory-source.ts';
import { parseSct, parseSctList, SCT_LIST_OID } from '../../ct-log/format/sct.ts';
import { certificateLogPaths, dataPaths } from '../../instance/data-paths.ts';
import { exactly } from '../../verify/identity-policy.ts';
import { verifyCertificate } from '../../verify/verify-certificate.ts';
import { platformCrypto } from '../../cli/verify/platform-crypto.ts';
import { needClient } from '../judges/support/stock-clients.ts';
import { emailConfig, makeDataDirectory } from '../support/data-directory.ts';
import { documentedBlocks, runBlock } from '../support/documented-blocks.ts';
import { startIssuer, type TestIssuer } from '../support/oidc-issuer.ts';
import { openQuietly, type QuietService } from '../support/quiet-service.ts';
import { skipUnless } from '../support/skipped.ts';
import { bodyV2, clientKey, post } from '../support/test-service.ts';
import { makeChain } from './fulcio-deployment.ts';

const run = promisify(execFile);
const EMAIL = 'alice@example.com';

describe(`Fulcio ${FULCIO_VERSION} with this certificate log`, function () {
  this.timeout(600_000);
  let scratch = '';
  let issuer: TestIssuer;
  let log: QuietService;
  let publicKey: Uint8Array;
  let fulcio: RunningFulcio | undefined;
  const path = (name: string): string => join(scratch, name);
  const token = (): Promise<string> => issuer.sign({ email: EMAIL, email_verified: true });

  before(async function () {
    const program = findFulcio((text) => {
      console.error(`  ${text}`);
    });
    skipUnless(this, program !== undefined, 'there is neither Go here nor a Fulcio that it built');
    scratch = await mkdtemp(join(tmpdir(), 'mayfly-fulcio-log-'));
    makeChain(scratch);
    issuer = await startIssuer();
    const submission = `{ log: { submission: { roots: ${path('root.pem')} } } }`;
    await makeDataDirectory(path('data'), { config: emailConfig(issuer.url, submission) });
    log = await openQuietly(path('data'));
    const { key } = (await (await fetch(`${log.logUrl}/log.v3.json`)).json()) as { readonly key: string };
    publicKey = Buffer.from(key, 'base64');
    await writeFile(path('log.pub.pem'), encodePem('PUBLIC KEY', publicKey));
    await writeFile(path('fulcio-config.yaml'), emailConfig(issuer.url).replace(/^mayfly.*\n/m, ''));
    fulcio = await startFulcioProgram({
      program,
      config: path('fulcio-config.yaml'),
      ca: { chain: path('fulcio-chain.pem'), key: path('fulcio.key.pem'), passphrase: 'secret' },
      ctLog: { url: log.logUrl, publicKey: path('log.pub.pem') },
    });
  });
  after(async () => {
    if (fulcio !== undefined) await stop(fulcio.child);
    await (log as QuietService | undefined)?.close();
    await (issuer as TestIssuer | undefined)?.close();
    await rm(scratch, { recursive: true, force: true });
  });

  const fulcioUrl = (): string => `http://127.0.0.1:${fulcio?.port}`;

  it('issues certificates with its SCT, which this verifier accepts, and the log has them', async () => {
    const answer = await post(`${fulcioUrl()}/api/v2/signingCert`, bodyV2(await token(), clientKey()));
    expect(answer.status, await answer.clone().text()).to.equal(200);
    const { signedCertificateEmbeddedSct: signed } = (await answer.json()) as {
      readonly signedCertificateEmbeddedSct: { readonly chain: { readonly certificates: readonly string[] } };
    };
    const [certificate = new Uint8Array(), ...presented] = signed.chain.certificates.flatMap((pem) =>
      decodePem(pem).map(({ bytes }) => bytes),
    );
    const [root = new Uint8Array()] = decodePem(await readFile(path('root.pem'), 'utf8')).map(
      ({ bytes }) => bytes,
    );
    const list = parseSctList(
      findExtension(parseCertificate(certificate), SCT_LIST_OID)?.value ?? new Uint8Array(),
    );
    expect(list.map((one) => toBase64(parseSct(one).logId))).to.deep.equal([
      createHash('sha256').update(publicKey).digest('base64'),
    ]);
    const logs = [{ origin: 'localhost/log/2026', publicKey }];
    const verification = await verifyCertificate({
      certificate,
      presented,
      trust: { roots: [root], intermediates: [], logs },
      policy: { identity: exactly(EMAIL), issuer: exactly(issuer.url) },
      crypto: platformCrypto,
    });
    expect(verification.ok, JSON.stringify(verification)).to.equal(true);
    const { directory } = certificateLogPaths(dataPaths(path('data')), '2026');
    expect(await checkDirectory(await openDirectorySource(directory))).to.include({ ok: true, entries: 1 });
  });

  it('lists the roots by docs/other-logs.md', async () => {
    const [curl = ''] = await documentedBlocks('other-logs.md', 'Take certificates of other CAs');
    const answer = await runBlock(curl, scratch, { 'https://ca.example.com/log/2026': log.logUrl });
    expect((JSON.parse(answer) as { readonly certificates: readonly string[] }).certificates).to.have.length(
      2,
    );
  });

  it('lets cosign sign with Fulcio, and verify', async function () {
    const cosign = await needClient(this, 'cosign-2.6.3');
    const env = {
      PATH: process.env['PATH'],
      HOME: scratch,
      SIGSTORE_ROOT_FILE: path('fulcio-chain.pem'),
      SIGSTORE_CT_LOG_PUBLIC_KEY_FILE: path('log.pub.pem'),
    };
    await writeFile(path('artifact'), 'what is signed');
    await writeFile(path('token'), await token());
    const files = ['--output-certificate', path('cert.pem'), '--output-signature', path('sig')];
    const ca = ['--fulcio-url', fulcioUrl(), '--tlog-upload=false', '--identity-token', path('token')];
    await run(cosign, ['sign-blob', '-y', ...ca, ...files, path('artifact')], { env });
    const who = ['--certificate-identity', EMAIL, '--certificate-oidc-issuer', issuer.url];
    const signed = ['--certificate', path('cert.pem'), '--signature', path('sig'), '--insecure-ignore-tlog'];
    const { stderr } = await run(cosign, ['verify-blob', ...signed, ...who, path('artifact')], { env });
    expect(stderr).to.contain('Verified OK');
  });
});
