/** The two signing calls as other programs send them, with nothing but curl and openssl. */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { type DevMayfly, startDev } from '../support/mayfly.ts';
import { skipUnless } from '../support/skipped.ts';

const run = promisify(execFile);

describe('judge: curl', function () {
  this.timeout(120_000);
  let service: DevMayfly;
  let token: string;
  let publicKey: string;
  let proof: string;

  before(async function () {
    const isThere = await run('sh', ['-c', 'command -v curl && command -v openssl']).catch(() => undefined);
    skipUnless(this, isThere !== undefined, 'there is no curl or no openssl');
    service = await startDev({ byLauncher: 'built' });
    token = await service.token('ada@example.com');
    await writeFile(at('name'), 'ada@example.com');
    await openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', at('key.pem'));
    publicKey = await openssl('pkey', '-in', at('key.pem'), '-pubout');
    await openssl('dgst', '-sha256', '-sign', at('key.pem'), '-out', at('proof'), at('name'));
    proof = (await readFile(at('proof'))).toString('base64');
  });

  after(async () => {
    await (service as DevMayfly | undefined)?.stop();
  });

  const at = (name: string): string => join(service.scratch, name);
  const openssl = async (...words: string[]): Promise<string> => (await run('openssl', words)).stdout;

  interface Answer {
    readonly status: string;
    readonly body: string;
  }

  async function post(path: string, body: unknown, ...headers: readonly string[]): Promise<Answer> {
    await writeFile(at('body.json'), JSON.stringify(body));
    const all = ['content-type: application/json', ...headers].flatMap((header) => ['-H', header]);
    const words = ['-sS', '-w', '\n%{http_code}', '-XPOST', `${service.url}${path}`, ...all, '-d'];
    const { stdout } = await run('curl', [...words, `@${at('body.json')}`]);
    const cut = stdout.lastIndexOf('\n');
    return { status: stdout.slice(cut + 1), body: stdout.slice(0, cut) };
  }

  const bearer = (): string => `Authorization: Bearer ${token}`;

  function expectChain({ status, body }: Answer): void {
    expect(status, body).to.equal('200');
    const { signedCertificateEmbeddedSct: embedded } = JSON.parse(body) as {
      signedCertificateEmbeddedSct: { chain: { certificates: readonly string[] } };
    };
    expect(embedded.chain.certificates).to.have.length.greaterThan(1);
  }

  const keyRequest = (): Record<string, unknown> => ({
    publicKeyRequest: {
      publicKey: { algorithm: 'ECDSA', content: publicKey },
      proofOfPossession: proof,
    },
  });

  it('gets a certificate for a public key from the second version', async () => {
    expectChain(await post('/api/v2/signingCert', keyRequest(), bearer()));
  });

  it('has the token in the body, and no header', async () => {
    const body = { credentials: { oidcIdentityToken: token }, ...keyRequest() };
    expectChain(await post('/api/v2/signingCert', body));
  });

  it('gets JSON for a signing request without a subject, whatever it says it accepts', async () => {
    const csr = await openssl('req', '-new', '-key', at('key.pem'), '-subj', '/', '-sha256');
    const body = { certificateSigningRequest: Buffer.from(csr).toString('base64') };
    const accept = 'Accept: application/pem-certificate-chain';
    expectChain(await post('/api/v2/signingCert', body, bearer(), accept));
  });

  it('gets PEM from the first version, for a key in PEM and in DER', async () => {
    await openssl('pkey', '-in', at('key.pem'), '-pubout', '-outform', 'DER', '-out', at('key.der'));
    for (const key of [Buffer.from(publicKey), await readFile(at('key.der'))]) {
      const content = key.toString('base64');
      const body = { publicKey: { content, algorithm: 'ecdsa' }, signedEmailAddress: proof };
      const answer = await post('/api/v1/signingCert', body, bearer());
      expect(answer.status, answer.body).to.equal('201');
      expect(answer.body.match(/BEGIN CERTIFICATE/g)).to.have.length.greaterThan(1);
    }
  });
});
