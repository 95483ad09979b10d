import { expect } from 'chai';
import { platformCrypto } from '../../cli/verify/platform-crypto.ts';
import { fromBase64 } from '../../core/bytes.ts';
import { parseCheckpoint } from '../../tlog/format/checkpoint.ts';
import { encodeTlogProof } from '../../tlog/format/tlog-proof.ts';
import { exactly } from '../../verify/identity-policy.ts';
import type { Trust } from '../../verify/trust.ts';
import { verifyCertificate } from '../../verify/verify-certificate.ts';
import {
  bodyV2,
  clientKey,
  emailToken,
  post,
  startTestService,
  type TestService,
} from '../support/test-service.ts';
import { decodePem } from '../../core/pem.ts';

describe('verify: what this CA really issues', () => {
  let service: TestService;
  before(async () => {
    service = await startTestService();
  });
  after(() => service.close());

  async function issue(): Promise<Uint8Array> {
    const response = await post(
      `${service.url}/api/v2/signingCert`,
      bodyV2(await emailToken(service), clientKey()),
    );
    const answer = (await response.json()) as {
      signedCertificateEmbeddedSct: { chain: { certificates: string[] } };
    };
    const [block] = decodePem(answer.signedCertificateEmbeddedSct.chain.certificates[0] ?? '');
    if (block === undefined) throw new Error('no certificate in the answer');
    return block.bytes;
  }

  const trust = (): Trust => ({
    roots: service.authority.chain.slice(-1),
    intermediates: service.authority.chain.slice(0, -1),
    logs: [service.log.identity],
  });

  it('passes every step, with a proof out of the log', async () => {
    const certificates = [await issue(), await issue(), await issue()];
    const checkpoint = service.log.reader.checkpoint();
    const { size } = parseCheckpoint(checkpoint);
    for (const [index, certificate] of certificates.entries()) {
      const { audit_path: path } = await service.log.reader.getEntryAndProof(index, size);
      const proof = encodeTlogProof({ index, path: path.map(fromBase64), checkpoint });
      const policy = { identity: exactly('alice@example.com'), issuer: exactly(service.issuer.url) };
      const answer = await verifyCertificate({
        certificate,
        trust: trust(),
        policy,
        proof,
        crypto: platformCrypto,
      });
      expect(
        answer.steps.filter(({ ok }) => !ok),
        JSON.stringify(answer.steps),
      ).to.deep.equal([]);
      expect(answer.steps.at(-1)?.name).to.equal('inclusion');
    }
  });
});
