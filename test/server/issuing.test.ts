import { expect } from 'chai';
import { X509Certificate } from 'node:crypto';
import {
  bodyV1,
  bodyV2,
  clientKey,
  emailToken,
  post,
  startTestService,
  type TestService,
} from '../support/test-service.ts';

interface AnswerV2 {
  readonly signedCertificateEmbeddedSct: { readonly chain: { readonly certificates: readonly string[] } };
}

describe('server: issuing over HTTP', () => {
  let service: TestService;
  before(async () => {
    service = await startTestService();
  });
  after(() => service.close());

  it('answers v2 with 200 and a chain of leaf, issuing CA and root, no newline at the end of a PEM', async () => {
    const response = await post(
      `${service.url}/api/v2/signingCert`,
      bodyV2(await emailToken(service), clientKey()),
    );
    expect(response.status).to.equal(200);
    expect(response.headers.get('content-type')).to.equal('application/json');
    const answer = (await response.json()) as AnswerV2;
    expect(Object.keys(answer)).to.deep.equal(['signedCertificateEmbeddedSct']);
    const { certificates } = answer.signedCertificateEmbeddedSct.chain;
    expect(certificates).to.have.length(3);
    for (const pem of certificates) expect(pem).to.match(/^-----BEGIN CERT[^]*-----END CERTIFICATE-----$/);
    const [leaf, issuing, root] = certificates.map((pem) => new X509Certificate(pem));
    expect(issuing !== undefined && leaf?.verify(issuing.publicKey)).to.equal(true);
    expect(root !== undefined && issuing?.verify(root.publicKey)).to.equal(true);
    expect(leaf?.subjectAltName).to.equal('email:alice@example.com');
    expect(certificates.slice(1).map((pem) => `${pem}\n`)).to.deep.equal(service.authority.chainPems);
  });

  it('takes the token of v2 from the Authorization header too, and doubled slashes and queries in the path', async () => {
    const { publicKeyRequest } = bodyV2('', clientKey());
    const headers = { authorization: `Bearer ${await emailToken(service)}` };
    for (const path of ['/api/v2/signingCert', '//api/v2/signingCert', '///api/v2/signingCert?a=b']) {
      const response = await post(service.url + path, { publicKeyRequest }, headers);
      expect(response.status, path).to.equal(200);
    }
  });

  it('answers v1 with 201 and PEM, one newline between the blocks and none at the end', async () => {
    const headers = { authorization: `Bearer ${await emailToken(service)}` };
    for (const path of ['/api/v1/signingCert', '//api/v1/signingCert']) {
      const response = await post(service.url + path, bodyV1(clientKey()), headers);
      expect(response.status).to.equal(201);
      expect(response.headers.get('content-type')).to.equal('application/pem-certificate-chain');
      expect(response.headers.has('sct')).to.equal(false);
      const text = await response.text();
      const blocks = text.split(/(?<=-----END CERTIFICATE-----)\n/);
      expect(blocks).to.have.length(3);
      for (const block of blocks) expect(() => new X509Certificate(block)).not.to.throw();
      expect(text.endsWith('-----END CERTIFICATE-----')).to.equal(true);
    }
  });

  it('puts each certificate into the log before it answers, and into its own lines', async () => {
    const before = service.log.status().size;
    const token = await emailToken(service);
    const headers = { 'x-request-id': 'my-request.1' };
    const response = await post(`${service.url}/api/v2/signingCert`, bodyV2(token, clientKey()), headers);
    expect(response.headers.get('x-request-id')).to.equal('my-request.1');
    expect(service.log.status().size).to.equal(before + 1);
    const { certificates } = ((await response.json()) as AnswerV2).signedCertificateEmbeddedSct.chain;
    const leaf = new X509Certificate(certificates[0] ?? '');
    const line = service.lines.find(({ requestId }) => requestId === 'my-request.1');
    expect(line).to.include({
      event: 'issued',
      level: 'info',
      issuer: service.issuer.url,
      principal: 'alice@example.com',
      log: service.log.identity.origin,
      leafIndex: before,
      client: '127.0.0.1',
    });
    expect(String(line?.['serial']).replace(/^0+/, '')).to.equal(
      leaf.serialNumber.toLowerCase().replace(/^0+/, ''),
    );
  });

  it('makes its own request id where the offered one could do harm', async () => {
    for (const id of ['a'.repeat(129), 'a b', '"quoted"', 'a;b']) {
      const response = await fetch(`${service.url}/healthz`, { headers: { 'x-request-id': id } });
      expect(response.headers.get('x-request-id')).to.match(/^[0-9a-f-]{36}$/);
    }
  });

  it('serves many at once, each with its own index', async () => {
    const token = await emailToken(service);
    const key = clientKey();
    const before = service.log.status().size;
    const answers = await Promise.all(
      Array.from({ length: 40 }, () => post(`${service.url}/api/v2/signingCert`, bodyV2(token, key))),
    );
    expect(answers.map(({ status }) => status)).to.deep.equal(answers.map(() => 200));
    expect(service.log.status().size).to.equal(before + 40);
    const indexes = service.lines.map(({ leafIndex }) => leafIndex).filter((index) => index !== undefined);
    expect(new Set(indexes).size).to.equal(indexes.length);
  });
});
