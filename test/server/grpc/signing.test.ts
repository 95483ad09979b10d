import { expect } from 'chai';
import { createRegistry, fromBinary, toJson } from '@bufbuild/protobuf';
import { X509Certificate } from 'node:crypto';
import { ErrorInfoSchema } from '../../../server/grpc/protobuf/google/rpc/error_details_pb.ts';
import { StatusSchema } from '../../../server/grpc/protobuf/google/rpc/status_pb.ts';
import {
  bodyV2,
  clientKey,
  emailToken,
  post,
  refusalOf,
  startTestService,
  type ClientKey,
  type TestService,
} from '../../support/test-service.ts';
import { failureOf } from '../../support/failure.ts';
import { call, grpcClient, metadata, type GrpcClient, type GrpcFailure } from './support/grpc-client.ts';

const V2 = 'dev.sigstore.fulcio.v2.CA';
const LEGACY = 'dev.sigstore.fulcio.v1beta.CA';

/** The message of v2. */
const messageV2 = (token: string, { pem, proof }: ClientKey) => ({
  credentials: { oidcIdentityToken: token },
  publicKeyRequest: {
    publicKey: { algorithm: 'ECDSA', content: pem },
    proofOfPossession: Buffer.from(proof, 'base64'),
  },
});

interface Answer {
  readonly signedCertificateEmbeddedSct: { readonly chain: { readonly certificates: readonly string[] } };
}

describe('gRPC: signing', () => {
  let service: TestService;
  let v2: GrpcClient;
  let legacy: GrpcClient;
  before(async () => {
    service = await startTestService(() => ({ grpcListen: { host: '127.0.0.1', port: 0 } }));
    v2 = grpcClient(V2, service.grpcListen ?? '');
    legacy = grpcClient(LEGACY, service.grpcListen ?? '');
  });
  after(async () => {
    v2.close();
    legacy.close();
    await service.close();
  });

  it('issues what HTTP issues: the leaf and the chain up to the root, without newlines at the ends', async () => {
    const key = clientKey();
    const token = await emailToken(service);
    const answer = (await call(v2, 'CreateSigningCertificate', messageV2(token, key))) as unknown as Answer;
    const { certificates } = answer.signedCertificateEmbeddedSct.chain;
    const [leaf = '', ...chain] = certificates;
    expect(new X509Certificate(leaf).publicKey.export({ type: 'spki', format: 'pem' })).to.equal(key.pem);
    expect(leaf).to.match(/-----END CERTIFICATE-----$/);
    expect(chain).to.deep.equal(service.authority.chainPems.map((pem) => pem.trimEnd()));
  });

  it('takes the token from the metadata oidcidentitytoken if there is none in the message, and none if there are two', async () => {
    const token = await emailToken(service);
    const message = messageV2('', clientKey());
    const meta = metadata({ oidcidentitytoken: token });
    await call(v2, 'CreateSigningCertificate', message, { meta });
    meta.add('oidcidentitytoken', token);
    const failure = (await failureOf(call(v2, 'CreateSigningCertificate', message, { meta }))) as GrpcFailure;
    expect(failure.details).to.match(/^There was an error processing the identity token: /);
  });

  it('refuses for the reasons of HTTP, with the same details: those that a gateway would make JSON of', async () => {
    const message = (token: string): unknown => messageV2(token, clientKey('mallory@example.com'));
    for (const token of [
      '',
      'no.token.atall',
      await emailToken(service, { email_verified: false }),
      await emailToken(service),
    ]) {
      const meta = metadata({ 'x-request-id': 'the-same' });
      const failure = (await failureOf(
        call(v2, 'CreateSigningCertificate', message(token), { meta }),
      )) as GrpcFailure;
      const key = clientKey('mallory@example.com');
      const headers = { 'x-request-id': 'the-same' };
      const http = await refusalOf(
        await post(`${service.url}/api/v2/signingCert`, bodyV2(token, key), headers),
      );
      expect(failure.code, token).to.equal(http.code);
      expect(failure.details).to.equal(http.message);
      expect(failure.metadata.get('x-request-id')).to.deep.equal(['the-same']);
      const [binary] = failure.metadata.get('grpc-status-details-bin');
      const status = fromBinary(StatusSchema, binary as Buffer);
      expect({ code: status.code, message: status.message }).to.deep.equal({
        code: http.code,
        message: http.message,
      });
      expect(
        toJson(StatusSchema, status, { registry: createRegistry(ErrorInfoSchema) }),
      ).to.have.deep.property('details', http.details);
    }
  });

  it('answers the legacy service with PEM text in a body of HTTP', async () => {
    const key = clientKey();
    const meta = metadata({ oidcidentitytoken: await emailToken(service) });
    const message = {
      publicKey: { algorithm: 'ecdsa', content: Buffer.from(key.pem) },
      signedEmailAddress: Buffer.from(key.proof, 'base64'),
    };
    const answer = await call(legacy, 'CreateSigningCertificate', message, { meta });
    expect(answer['content_type'] ?? answer['contentType']).to.equal('application/pem-certificate-chain');
    const text = (answer['data'] as Buffer).toString();
    expect(new X509Certificate(text).publicKey.export({ type: 'spki', format: 'pem' })).to.equal(key.pem);
    expect(text.endsWith(`\n${service.authority.chainPem}`)).to.equal(true);
    const root = await call(legacy, 'GetRootCertificate', {});
    const http = await (await fetch(`${service.url}/api/v1/rootCert`)).text();
    expect((root['data'] as Buffer).toString()).to.equal(http);
  });

  it('reports what HTTP reports of trust bundle and configuration', async () => {
    for (const [method, path] of [
      ['GetTrustBundle', 'trustBundle'],
      ['GetConfiguration', 'configuration'],
    ] as const) {
      const { issuers, ...answer } = await call(v2, method, {});
      const http = (await (await fetch(`${service.url}/api/v2/${path}`)).json()) as Record<string, unknown>;
      // The name of the member of a oneof, which this client adds.
      const shown = (issuers as Record<string, unknown>[] | undefined)?.map(({ issuer: _, ...one }) => one);
      expect({ ...answer, ...(shown === undefined ? {} : { issuers: shown }) }).to.deep.equal(http);
    }
  });

  it('counts by the names of Fulcio, and nothing that is not served', async () => {
    await failureOf(call(v2, 'CreateSigningCertificate', messageV2('x', clientKey())));
    const text = await (await fetch(`${service.metricsUrl}/metrics`)).text();
    const labels = `grpc_type="unary",grpc_service="${V2}",grpc_method="CreateSigningCertificate"`;
    for (const name of ['started_total', 'msg_received_total', 'msg_sent_total', 'handling_seconds_count'])
      expect(text).to.match(new RegExp(`^grpc_server_${name}{${labels}} [1-9]`, 'm'));
    expect(text).to.match(
      new RegExp(`^grpc_server_handled_total{${labels},grpc_code="InvalidArgument"} [1-9]`, 'm'),
    );
    expect(text).to.match(new RegExp(`^grpc_server_handled_total{${labels},grpc_code="OK"} [1-9]`, 'm'));
    expect(text).to.match(/^mayfly_refusals_total{entry="none",reason="TOKEN_MALFORMED"} [1-9]/m);
  });

  it('records who asked, behind a proxy too, and by the id that the client chose', async () => {
    const behind = await startTestService(() => ({
      grpcListen: { host: '127.0.0.1', port: 0 },
      trustedProxies: ['127.0.0.1'],
    }));
    const client = grpcClient(V2, behind.grpcListen ?? '');
    const meta = metadata({ 'x-request-id': 'chosen', 'x-forwarded-for': '198.51.100.1, 203.0.113.7' });
    await call(client, 'CreateSigningCertificate', messageV2(await emailToken(behind), clientKey()), {
      meta,
    });
    expect(behind.lines.find(({ event }) => event === 'issued')).to.include({
      requestId: 'chosen',
      client: '203.0.113.7',
      principal: 'alice@example.com',
    });
    client.close();
    expect(behind.lines.filter(({ event }) => event === 'untrusted proxy')).to.deep.equal([]);
    await behind.close();
  });

  it('says once that a peer passes calls on which is not trusted to say whose they are', async () => {
    const meta = metadata({ 'x-forwarded-for': '203.0.113.7' });
    for (let i = 0; i < 2; i++)
      await call(v2, 'CreateSigningCertificate', messageV2(await emailToken(service), clientKey()), { meta });
    const noted = service.lines.filter(({ event }) => event === 'untrusted proxy');
    expect(noted).to.have.length(1);
    expect(noted[0]).to.include({ level: 'warn', client: '127.0.0.1' });
    expect(service.lines.find(({ event }) => event === 'issued')).to.include({ client: '127.0.0.1' });
  });
});
