/** Stock clients sign with the exported files alone, and stock verifiers accept it after the certificate's end: the clock of the service is
 * twenty minutes behind, so that everything it signed is that old. */
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { sign } from 'sigstore';
import { runMayfly } from '../support/mayfly.ts';
import { skipUnless } from '../support/skipped.ts';
import { SIGNER, startExported, type ExportedInstance } from './support/exported-instance.ts';
import { startRegistry, type ImageRegistry } from './support/image-registry.ts';
import { needClient } from './support/stock-clients.ts';
import { stockVerifiers, type StockVerifier } from './support/verifiers.ts';

const run = promisify(execFile);

describe('judge: stock clients after the end of a certificate', function () {
  this.timeout(600_000);
  let service: ExportedInstance;
  let verifiers: readonly StockVerifier[];
  let root: string;
  let config: string;

  before(async () => {
    verifiers = await stockVerifiers();
    service = await startExported({ minutesAgo: 20 });
    root = service.exported('trusted_root.json');
    config = service.exported('signing_config.v0.2.json');
  });

  after(() => (service as ExportedInstance | undefined)?.stop());

  const inScratch = (name: string): string => join(service.scratch, name);

  /** A program of others: no home, no token but those that the line names. */
  const client = (program: string, words: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> =>
    run(program, words, { env: { PATH: process.env['PATH'], HOME: service.scratch, ...env } }).then(
      ({ stdout, stderr }) => `${stdout}${stderr}`,
      (error: unknown) => {
        const { stdout, stderr } = error as { stdout: string; stderr: string };
        return `refused: ${stdout}${stderr}`;
      },
    );

  /** Every verifier accepts the bundle, whose certificate is over. */
  async function expectVerified(bundle: string): Promise<void> {
    const material = (JSON.parse(await readFile(bundle, 'utf8')) as { verificationMaterial: Material })
      .verificationMaterial;
    const leaf = material.certificate ?? material.x509CertificateChain?.certificates[0];
    const der = Buffer.from(leaf?.rawBytes ?? '', 'base64');
    expect(new X509Certificate(der).validToDate.getTime()).to.be.lessThan(Date.now());
    const { artifact, issuerUrl: issuer } = service;
    for (const verifier of verifiers) {
      const outcome = await verifier.ask({ trustedRoot: root, bundle, artifact, identity: SIGNER, issuer });
      expect(outcome, verifier.name).to.equal('verified');
    }
  }

  it('mayfly sign', async () => {
    const words = ['sign', service.artifact, '--trust-config', service.exported('client_trust_config.json')];
    const env = { SIGSTORE_ID_TOKEN: await service.token(SIGNER) };
    const bundle = ['--bundle', inScratch('ours.json')];
    const { code, stderr } = await runMayfly([...words, ...bundle], { byLauncher: 'built', env });
    expect(code, stderr).to.equal(0);
    await expectVerified(inScratch('ours.json'));
  });

  it('sigstore-js', async () => {
    const bundle = await sign(await readFile(service.artifact), {
      fulcioURL: service.url,
      tsaServerURL: service.url,
      tlogUpload: false,
      identityToken: await service.token(SIGNER),
    });
    await writeFile(inScratch('js.json'), JSON.stringify(bundle));
    await expectVerified(inScratch('js.json'));
  });

  it('sigstore-go', async function () {
    const program = await needClient(this, 'sigstore-go-1.2.2');
    const words = ['sign', root, config, await service.tokenFile(), service.artifact, inScratch('go.json')];
    expect(await client(program, words)).to.equal('signed\n');
    await expectVerified(inScratch('go.json'));
    // At the present time, the certificate is over.
    const verify = ['verify', root, inScratch('go.json'), service.artifact, SIGNER, service.issuerUrl, 'now'];
    expect(await client(program, verify)).to.match(/^refused: .*leaf certificate verification failed/s);
  });

  it('cosign', async function () {
    const cosign = await needClient(this, 'cosign-3.1.2');
    await signBlob(cosign, 'cosign.json');
    await expectVerified(inScratch('cosign.json'));
  });

  const signBlob = async (cosign: string, bundle: string): Promise<void> => {
    const files = ['--signing-config', config, '--trusted-root', root, '--bundle', inScratch(bundle)];
    const words = [
      'sign-blob',
      '-y',
      ...files,
      '--identity-token',
      await service.tokenFile(),
      service.artifact,
    ];
    expect(await client(cosign, words)).to.not.match(/^refused|sigstore\.dev/);
  };
  const who = (): string[] => [
    ...['--certificate-identity', SIGNER, '--certificate-oidc-issuer', service.issuerUrl],
  ];
  const BY_TIMESTAMP = ['--insecure-ignore-tlog', '--use-signed-timestamps'];

  it('cosign 2.6 verifies the bundle of cosign 3', async function () {
    const cosign3 = await needClient(this, 'cosign-3.1.2');
    const cosign2 = await needClient(this, 'cosign-2.6.3');
    await signBlob(cosign3, 'new.json');
    const files = ['--new-bundle-format', '--bundle', inScratch('new.json'), '--trusted-root', root];
    const words = ['verify-blob', ...files, ...BY_TIMESTAMP, ...who(), service.artifact];
    expect(await client(cosign2, words)).to.contain('Verified OK');
  });

  describe('images', () => {
    let registry: ImageRegistry | undefined;
    let cosign: string;

    before(async function () {
      cosign = await needClient(this, 'cosign-3.1.2');
      registry = await startRegistry(await needClient(this, 'crane-0.20.6'), service.scratch);
    });
    after(() => registry?.stop());

    it('cosign signs one, and refuses an unsigned one and one of somebody else', async function () {
      skipUnless(this, registry !== undefined, 'there is no registry');
      const [signed, unsigned, foreign] = [
        await registry.push('signed'),
        await registry.push('unsigned'),
        await registry.push('foreign'),
      ];
      const signImage = async (image: string, email: string): Promise<void> => {
        const files = ['--signing-config', config, '--trusted-root', root, '--allow-http-registry'];
        const words = ['sign', '-y', ...files, '--identity-token', await service.tokenFile(email), image];
        expect(await client(cosign, words)).to.not.match(/^refused|sigstore\.dev/);
      };
      await signImage(signed, SIGNER);
      await signImage(foreign, 'eve@example.com');
      const verify = (image: string): Promise<string> => {
        const files = ['--trusted-root', root, '--allow-http-registry'];
        return client(cosign, ['verify', ...files, ...BY_TIMESTAMP, ...who(), image]);
      };
      expect(await verify(signed)).to.not.match(/^refused/);
      expect(await verify(unsigned)).to.match(/^refused: .*no signatures/s);
      expect(await verify(foreign)).to.match(/^refused: .*expected SAN value/s);
    });

    it('cosign signs one with a key of its own and a timestamp of this service, and refuses another key and another authority', async function () {
      skipUnless(this, registry !== undefined, 'there is no registry');
      const image = await registry.push('keyed');
      const password = { COSIGN_PASSWORD: 'only a test' };
      for (const name of ['own', 'other'])
        await client(cosign, ['generate-key-pair', '--output-key-prefix', inScratch(name)], password);
      const files = ['--trusted-root', root, '--allow-http-registry'];
      // The log that the signing config names takes no key that its operator does not list.
      const services = ['--timestamp-server-url', `${service.url}/api/v1/timestamp`, '--tlog-upload=false'];
      const key = ['--key', inScratch('own.key'), '--use-signing-config=false', ...services];
      const signed = ['sign', '-y', ...files, ...key, image];
      expect(await client(cosign, signed, password)).to.not.match(/^refused|sigstore\.dev/);
      const verify = (key: string, trustedRoot: string): Promise<string> => {
        const trust = ['--trusted-root', trustedRoot, '--allow-http-registry', ...BY_TIMESTAMP];
        return client(cosign, ['verify', ...trust, '--key', inScratch(key), image]);
      };
      expect(await verify('own.pub', root)).to.not.match(/^refused/);
      expect(await verify('other.pub', root)).to.match(/^refused: .*accepted signatures do not match/s);
      const untimed = inScratch('untimed-root.json');
      const trusted = JSON.parse(await readFile(root, 'utf8')) as object;
      await writeFile(untimed, JSON.stringify({ ...trusted, timestampAuthorities: [] }));
      expect(await verify('own.pub', untimed)).to.match(/^refused: .*timestamp/s);
    });
  });
});

interface Material {
  readonly certificate?: { readonly rawBytes: string };
  readonly x509CertificateChain?: { readonly certificates: readonly { readonly rawBytes: string }[] };
}
