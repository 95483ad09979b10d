/** sigstore-rs gets certificates by both versions of the API. Its signing needs a Rekor of the first version, so no more of it is tried. */
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { startServed, type ServedInstance } from './support/served-instance.ts';
import { needClient } from './support/stock-clients.ts';

const run = promisify(execFile);
const SIGNER = 'ada@example.com';

describe('judge: sigstore-rs', function () {
  this.timeout(1_800_000);
  let service: ServedInstance | undefined;
  let program: string;

  before(async function () {
    program = await needClient(this, 'sigstore-rs-0.15.0');
    service = await startServed();
  });
  after(() => service?.stop());

  const ask = async (version: 'v1' | 'v2', claims: Readonly<Record<string, unknown>>): Promise<string> => {
    const { scratch = '', url = '', issuer } = service ?? {};
    const token = join(scratch, 'token');
    await writeFile(token, (await issuer?.sign(claims)) ?? '');
    return await run(program, [version, `${url}/`, token, SIGNER]).then(
      ({ stdout }) => stdout,
      (error: unknown) => (error as { stdout: string }).stdout,
    );
  };

  for (const version of ['v1', 'v2'] as const)
    it(`gets a certificate and its chain by ${version}`, async () => {
      const pem = await ask(version, { email: SIGNER, email_verified: true });
      const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
      const [leaf, ...chain] = blocks.map((block) => new X509Certificate(block));
      expect(leaf?.subjectAltName, pem).to.equal(`email:${SIGNER}`);
      expect(chain).to.have.lengthOf(2);
      chain.reduce((below, ca) => {
        expect(below.verify(ca.publicKey)).to.equal(true);
        return ca;
      }, leaf as X509Certificate);
    });

  it('gets none for an address that is not verified, which it takes for a malformed answer', async () => {
    expect(await ask('v2', { email: SIGNER, email_verified: false })).to.match(/^refused: error decoding/);
    const first = await ask('v1', { email: SIGNER, email_verified: false });
    expect(first).to.contain('EMAIL_NOT_VERIFIED').and.not.contain('BEGIN CERTIFICATE');
  });
});
