/**
 * sigstore-java's own signer, which asks for certificates over gRPC and TLS and nowhere else: it gets one from the HTTPS port, checks
 * its SCT and chain by the exported trusted root, and makes a bundle with a timestamp and an entry of a stock Rekor.
 */
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { startIssuer, type TestIssuer } from '../support/oidc-issuer.ts';
import { ANYWHERE, runMayfly, startMayfly, type MayflyProcess } from '../support/mayfly.ts';
import { projectRoot } from '../support/project-root.ts';
import { skipUnless } from '../support/skipped.ts';
import { selfSigned } from '../support/tls-identity.ts';
import { needClient } from './support/stock-clients.ts';
import { exportWith, startRekor, type StockRekor } from './support/stock-rekor.ts';

const run = promisify(execFile);
const SIGNER = 'ada@example.com';

describe('judge: sigstore-java', function () {
  this.timeout(900_000);
  let scratch: string;
  let issuer: TestIssuer;
  let service: MayflyProcess | undefined;
  let rekor: StockRekor | undefined;

  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'mayfly-java-'));
    issuer = await startIssuer();
  });
  after(async () => {
    await rekor?.stop();
    service?.child.kill('SIGTERM');
    await service?.ended;
    await issuer.close();
    await rm(scratch, { recursive: true, force: true });
  });

  const at = (name: string): string => join(scratch, name);
  const mayfly = async (...args: readonly string[]): Promise<void> => {
    const { code, stderr } = await runMayfly(args, { byLauncher: 'built' });
    if (code !== 0) throw new Error(stderr);
  };

  /** Starts the service with TLS, and returns its URL by name. */
  async function serve(): Promise<string> {
    const { cert, key } = await selfSigned('localhost', '127.0.0.1');
    await writeFile(at('cert.pem'), cert);
    await writeFile(at('key.pem'), key);
    await mayfly('init', '--data', at('data'), '--keep-root-key');
    const block = `{ issuer-url: "${issuer.url}", client-id: sigstore, type: email }`;
    await writeFile(at('data/config.yaml'), `oidc-issuers: { "${issuer.url}": ${block} }\n`);
    const tls = ['--tls-cert', at('cert.pem'), '--tls-key', at('key.pem')];
    const words = ['serve', ...ANYWHERE, '--json', '--data', at('data'), ...tls];
    service = startMayfly(words, { byLauncher: 'built' });
    const { url } = JSON.parse(await service.firstLine) as { url: string };
    return url.replace('127.0.0.1', 'localhost');
  }

  it('signs with a certificate that it got over gRPC from the HTTPS port', async function () {
    const isThere = await run('java', ['-version']).then(
      () => true,
      () => false,
    );
    skipUnless(this, isThere, 'there is no java');
    const jar = await needClient(this, 'sigstore-java-2.0.0');
    const server = await needClient(this, 'rekor-tiles-2.3.0');
    const url = await serve();
    rekor = await startRekor(server, scratch);
    const exported = await exportWith({ scratch, data: at('data'), url }, rekor);
    const store = ['-keystore', at('trust.p12'), '-storepass', 'changeit', '-storetype', 'PKCS12'];
    await run('keytool', ['-importcert', '-noprompt', '-file', at('cert.pem'), ...store]);
    // With a token as text, it proves the subject, whatever the e-mail address is.
    await writeFile(at('token'), await issuer.sign({ email: SIGNER, email_verified: true, sub: SIGNER }));
    await writeFile(at('artifact'), 'what clients sign');
    await run('java', [
      `-Djavax.net.ssl.trustStore=${at('trust.p12')}`,
      '-Djavax.net.ssl.trustStorePassword=changeit',
      ...['-cp', join(dirname(jar), '*'), join(projectRoot, 'test/judges/sigstore-java/Sign.java')],
      ...[exported('trusted_root.json'), exported('signing_config.v0.2.json')],
      ...['token', 'artifact', 'bundle.json'].map(at),
    ]);
    const bundle = JSON.parse(await readFile(at('bundle.json'), 'utf8')) as {
      verificationMaterial: { certificate: { rawBytes: string }; timestampVerificationData: object };
    };
    const { certificate, timestampVerificationData } = bundle.verificationMaterial;
    const leaf = new X509Certificate(Buffer.from(certificate.rawBytes, 'base64'));
    expect(leaf.subjectAltName).to.equal(`email:${SIGNER}`);
    expect(timestampVerificationData).to.have.property('rfc3161Timestamps');
    expect(service?.stderr()).to.match(/"event":"issued"/);
  });
});
