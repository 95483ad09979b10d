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
import { startDev, type DevMayfly } from '../support/mayfly.ts';
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
  let dev: DevMayfly | undefined;
  let rekor: StockRekor | undefined;
  let made: string | undefined;

  afterEach(async () => {
    await rekor?.stop();
    await service?.stop();
    await dev?.stop();
    if (made !== undefined) await rm(made, { recursive: true, force: true });
    rekor = service = dev = made = undefined;
  });

  /** The programs that a test needs; skips it where they cannot be had. */
  async function needPrograms(
    test: Mocha.Context,
  ): Promise<{ readonly jar: string; readonly server: string }> {
    const isThere = await run('java', ['-version']).then(
      () => true,
      () => false,
    );
    skipUnless(test, isThere, 'there is no java');
    const jar = await needClient(test, 'sigstore-java-2.0.0');
    return { jar, server: await needClient(test, 'rekor-tiles-2.3.0') };
  }

  /** Signs with the exported files, and with `cert.pem` in `scratch` as the only certificate of TLS that Java trusts. Returns the leaf. */
  async function sign(
    jar: string,
    scratch: string,
    exported: Awaited<ReturnType<typeof exportWith>>,
    token: string,
  ): Promise<X509Certificate> {
    const at = (name: string): string => join(scratch, name);
    const store = ['-keystore', at('trust.p12'), '-storepass', 'changeit', '-storetype', 'PKCS12'];
    await run('keytool', ['-importcert', '-noprompt', '-file', at('cert.pem'), ...store]);
    await writeFile(at('token'), token);
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
    expect(timestampVerificationData).to.have.property('rfc3161Timestamps');
    return new X509Certificate(Buffer.from(certificate.rawBytes, 'base64'));
  }

  it('signs with a certificate that it got over gRPC from the HTTPS port', async function () {
    const { jar, server } = await needPrograms(this);
    service = await startServed({ tls: await selfSigned('localhost', '127.0.0.1') });
    const { scratch, data, issuer } = service;
    rekor = await startRekor(server, scratch);
    const url = service.url.replace('127.0.0.1', 'localhost');
    const exported = await exportWith({ scratch, data, url }, rekor);
    // With a token as text, it proves the subject, whatever the e-mail address is.
    const token = await issuer.sign({ email: SIGNER, email_verified: true, sub: SIGNER });
    const leaf = await sign(jar, scratch, exported, token);
    expect(leaf.subjectAltName).to.equal(`email:${SIGNER}`);
    expect(service.stderr()).to.match(/"event":"issued"/);
  });

  it('signs with a certificate of `mayfly dev`, where that speaks TLS', async function () {
    const { jar, server } = await needPrograms(this);
    const scratch = (made = await mkdtemp(join(tmpdir(), 'mayfly-java-')));
    const { cert, key } = await selfSigned('localhost', '127.0.0.1');
    const [certFile, keyFile] = [join(scratch, 'cert.pem'), join(scratch, 'key.pem')];
    await writeFile(certFile, cert);
    await writeFile(keyFile, key);
    const data = join(scratch, 'data');
    dev = await startDev({ byLauncher: 'built', data, args: ['--tls-cert', certFile, '--tls-key', keyFile] });
    rekor = await startRekor(server, scratch);
    const exported = await exportWith(
      { scratch, data, url: dev.url.replace('127.0.0.1', 'localhost') },
      rekor,
    );
    const leaf = await sign(jar, scratch, exported, await dev.token(SIGNER));
    expect(leaf.subjectAltName).to.equal(`email:${SIGNER}`);
  });
});
