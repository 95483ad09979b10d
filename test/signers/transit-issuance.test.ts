/** A service whose CA signs with a key of the transit engine. */
import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { loadAuthority } from '../../ca/authority.ts';
import { createAuthorityChain } from '../../ca/ceremony.ts';
import { encodePem } from '../../core/pem.ts';
import { openSigner } from '../../signers/open-signer.ts';
import type { Signer } from '../../signers/signer.ts';
import {
  bodyV2,
  clientKey,
  emailToken,
  post,
  startTestService,
  testLog,
  type TestService,
} from '../support/test-service.ts';
import { ROOT_TOKEN, TransitServer } from '../support/transit-server.ts';

describe('a CA key of the transit engine', () => {
  let server: TransitServer;
  let signer: Signer;
  let service: TestService;
  let directory: string;
  let size: () => number;
  before(async () => {
    server = await TransitServer.start();
    const request = {
      organization: 'Test',
      commonName: 'Test CA',
      keyType: 'p256',
      clock: Date.now,
      dev: false,
    };
    const chain = await createAuthorityChain(request);
    server.make('ca', 'ecdsa-p256').versions[0] = chain.intermediateKey;
    const env = { BAO_ADDR: server.url, BAO_CACERT: server.caFile, BAO_TOKEN: ROOT_TOKEN };
    signer = await openSigner('openbao://ca', { env, timeoutMs: 15_000, firstProbeMs: 20 });
    const pems = [chain.intermediateDer, chain.rootDer].map((der) => encodePem('CERTIFICATE', der));
    const authority = await loadAuthority({ chainPem: pems.join(''), signer, clock: Date.now });
    directory = await mkdtemp(join(tmpdir(), 'mayfly-transit-'));
    const log = await testLog(join(directory, '2026'), authority, Date.now);
    service = await startTestService(() => ({ authority, log }));
    size = () => log.status().size;
  });
  after(async () => {
    await service.close();
    await signer.remote?.close();
    await server.close();
    await rm(directory, { recursive: true });
  });

  const ask = async (): Promise<Response> =>
    post(`${service.url}/api/v2/signingCert`, bodyV2(await emailToken(service), clientKey()));

  it('makes certificates that verify, in two signatures each', async () => {
    const before = server.asked(/sign/);
    const response = await ask();
    expect(response.status).to.equal(200);
    const answer = (await response.json()) as {
      readonly signedCertificateEmbeddedSct: { readonly chain: { readonly certificates: readonly string[] } };
    };
    const [leaf, ca] = answer.signedCertificateEmbeddedSct.chain.certificates.map(
      (pem) => new X509Certificate(pem),
    );
    expect(ca !== undefined && leaf?.verify(ca.publicKey)).to.equal(true);
    expect(server.asked(/sign/) - before).to.equal(2);
  });

  it('makes none while the server is sealed, and goes on by itself', async () => {
    const before = size();
    server.isSealed = true;
    while (signer.remote?.refusal() === undefined) await signer.sign(Buffer.of()).catch(() => undefined);
    const refused = await ask();
    expect(refused.status).to.equal(503);
    expect(Number(refused.headers.get('retry-after'))).to.be.greaterThan(0);
    expect(size()).to.equal(before);
    server.isSealed = false;
    while (signer.remote.refusal() !== undefined) await delay(5);
    expect((await ask()).status).to.equal(200);
  });
});
