/**
 * sigstore-java's own signer, which asks for certificates over gRPC and TLS and nowhere else: it gets one from the HTTPS port, checks
 * its SCT and chain by the exported trusted root, and makes a bundle with a timestamp and an entry of a stock Rekor.
 */
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { projectRoot } from '../support/project-root.ts';
import { skipUnless } from '../support/skipped.ts';
import { selfSigned } from '../support/tls-identity.ts';
import { startServed, type ServedInstance } from './support/served-instance.ts';
import { needClient } from './support/stock-clients.ts';
import { exportWith, startRekor, type StockRekor } from './support/stock-rekor.ts';

const run = promisify(execFile);
const SIGNER = 'ada@example.com';

describe('judge: sigstore-java', function () {
  this.timeout(900_000);
  let service: ServedInstance | undefined;
  let rekor: StockRekor | undefined;

  after(async () => {
    await rekor?.stop();
    await service?.stop();
  });

  it('signs with a certificate that it got over gRPC from the HTTPS port', async function () {
    const isThere = await run('java', ['-version']).then(
      () => true,
      () => false,
    );
    skipUnless(this, isThere, 'there is no java');
    const jar = await needClient(this, 'sigstore-java-2.0.0');
    const server = await needClient(this, 'rekor-tiles-2.3.0');
    service = await startServed({ tls: await selfSigned('localhost', '127.0.0.1') });
    const { scratch, data, issuer } = service;
    const at = (name: string): string => join(scratch, name);
    rekor = await startRekor(server, scratch);
    const url = service.url.replace('127.0.0.1', 'localhost');
    const exported = await exportWith({ scratch, data, url }, rekor);
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
    expect(service.stderr()).to.match(/"event":"issued"/);
  });
});
