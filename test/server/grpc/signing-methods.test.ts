import { expect } from 'chai';
import fc from 'fast-check';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { X509Certificate } from 'node:crypto';
import { encodePem } from '../../../core/pem.ts';
import { MAX_LENGTHS } from '../../../ca/signing-request.ts';
import { onlyMessage } from '../../../server/grpc/message-frame.ts';
import { CreateSigningCertificateRequestSchema as Legacy } from '../../../server/grpc/protobuf/fulcio_legacy_pb.ts';
import {
  CreateSigningCertificateRequestSchema as V2,
  SigningCertificateSchema,
} from '../../../server/grpc/protobuf/fulcio_pb.ts';
import { LegacySigningMethod, SigningMethodV2 } from '../../../server/grpc/signing-methods.ts';
import { TransportError } from '../../../server/http/transport-error.ts';
import { testAuthority } from '../../ca/support/authority.ts';
import { runs } from '../../support/runs.ts';
import { framed } from './support/raw-call.ts';

describe('gRPC: messages of signing calls', () => {
  let v2: SigningMethodV2;
  let legacy: LegacySigningMethod;
  let chain: readonly Uint8Array[];
  before(async () => {
    const { authority } = await testAuthority();
    v2 = new SigningMethodV2(authority);
    legacy = new LegacySigningMethod(authority);
    ({ chain } = authority);
  });

  const messageV2 = (content: string, proof: Uint8Array): Buffer =>
    Buffer.from(
      toBinary(
        V2,
        create(V2, {
          credentials: { credentials: { case: 'oidcIdentityToken', value: 'token' } },
          key: { case: 'publicKeyRequest', value: { publicKey: { content }, proofOfPossession: proof } },
        }),
      ),
    );
  const messageLegacy = (content: Uint8Array): Buffer =>
    Buffer.from(toBinary(Legacy, create(Legacy, { publicKey: { content }, signedEmailAddress: content })));

  it('keep nothing of the memory that their bodies came in', () => {
    const bytes = messageV2('key', Buffer.from('proof'));
    const { token, key } = v2.decode(bytes, {});
    const csr = Buffer.from(
      toBinary(V2, create(V2, { key: { case: 'certificateSigningRequest', value: Buffer.from('csr') } })),
    );
    const request = v2.decode(csr, {});
    const old = messageLegacy(Buffer.from('content'));
    const before = legacy.decode(old, { oidcidentitytoken: 'other' });
    for (const body of [bytes, csr, old]) body.fill(0);
    expect(token).to.equal('token');
    expect(key).to.deep.include({ kind: 'publicKey' });
    if (key.kind === 'publicKey') expect(Buffer.from(key.proof).toString()).to.equal('proof');
    if (request.key.kind === 'csr') expect(Buffer.from(request.key.pem).toString()).to.equal('csr');
    expect(request).to.deep.include({ token: '' });
    if (before.key.kind === 'publicKey')
      expect(Buffer.from(before.key.content).toString()).to.equal('content');
    expect(before.token).to.equal('other');
  });

  it('keep of what is too long only so much that it is still too long', () => {
    const { key } = v2.decode(messageV2('é'.repeat(100_000), Buffer.alloc(50_000)), {});
    if (key.kind !== 'publicKey') throw new TypeError('it is no key');
    expect(key.content.length).to.be.within(MAX_LENGTHS.key + 1, 2 * MAX_LENGTHS.key + 2);
    expect(key.proof).to.have.length(MAX_LENGTHS.signature + 1);
    const old = legacy.decode(messageLegacy(Buffer.alloc(100_000)), {});
    if (old.key.kind !== 'publicKey') throw new TypeError('it is no key');
    expect(old.key.content).to.have.length(MAX_LENGTHS.key + 1);
  });

  it('are refused for their form alone, whatever the bytes', () => {
    const good = [messageV2('key', Buffer.from('proof')), messageLegacy(Buffer.from('content'))];
    const damaged = fc
      .tuple(fc.constantFrom(...good), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }))
      .map(([bytes, changes]) => {
        const out = Buffer.from(bytes);
        for (const [at, value] of changes) out[at % out.length] = value;
        return out;
      });
    const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
    const framedOnes = fc.oneof(bytes, damaged).map((message) => framed(message));
    fc.assert(
      fc.property(fc.oneof(bytes, framedOnes), (body) => {
        for (const method of [v2, legacy])
          try {
            const { token, key } = method.decode(onlyMessage(body), {});
            expect(token).to.be.a('string');
            expect(key.kind).to.be.oneOf(['publicKey', 'csr']);
          } catch (error) {
            expect(error).to.be.instanceOf(TransportError).and.include({ code: 'BODY_MALFORMED' });
          }
      }),
      { numRuns: runs(500) },
    );
  });

  it('are answered with what a stub reads, to the byte what a library writes', () => {
    const [leaf = new Uint8Array(0)] = chain;
    const message = onlyMessage(v2.reply(leaf));
    const { certificate } = fromBinary(SigningCertificateSchema, message);
    const certificates = [leaf, ...chain].map((der) => encodePem('CERTIFICATE', der).trimEnd());
    expect(certificate).to.deep.include({ case: 'signedCertificateEmbeddedSct' });
    const whole = create(SigningCertificateSchema, {
      certificate: { case: 'signedCertificateEmbeddedSct', value: { chain: { certificates } } },
    });
    expect(Buffer.from(toBinary(SigningCertificateSchema, whole)).equals(message)).to.equal(true);
    expect(new X509Certificate(certificates[0] ?? '').raw.equals(leaf)).to.equal(true);
  });
});
