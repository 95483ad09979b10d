import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { expect } from 'chai';
import { hasTooManyFields, MAX_FIELDS } from '../../../server/grpc/field-bounds.ts';
import { CreateSigningCertificateRequestSchema as Schema } from '../../../server/grpc/protobuf/fulcio_pb.ts';

const hex = (text: string): Buffer => Buffer.from(text, 'hex');

describe('gRPC: the fields of a message', () => {
  it('are few in a signing request, however long they are', () => {
    const request = create(Schema, {
      credentials: { credentials: { case: 'oidcIdentityToken', value: 't'.repeat(100_000) } },
      key: {
        case: 'publicKeyRequest',
        value: {
          publicKey: { algorithm: 1, content: 'k'.repeat(100_000) },
          proofOfPossession: Buffer.alloc(9),
        },
      },
    });
    expect(hasTooManyFields(Schema, toBinary(Schema, request))).to.equal(false);
    expect(hasTooManyFields(Schema, Buffer.alloc(0))).to.equal(false);
  });

  it('are counted at every depth, known or not, and no group is taken', () => {
    expect(hasTooManyFields(Schema, hex('1a00'.repeat(MAX_FIELDS)))).to.equal(false);
    const tooMany = [
      '1a00'.repeat(MAX_FIELDS + 1),
      `0a8001${'0a00'.repeat(MAX_FIELDS)}`,
      `12040a020800`.repeat(MAX_FIELDS / 2),
      '2000'.repeat(MAX_FIELDS + 1),
      '7b7c',
    ];
    for (const one of tooMany) expect(hasTooManyFields(Schema, hex(one)), one.slice(0, 16)).to.equal(true);
  });

  it('are looked at without reading them, so that the most of them cost little', () => {
    // The cost is that of the reading of so many fields, whatever the length: nothing behind the last one is looked at.
    const broken = Buffer.concat([hex('1a00'.repeat(MAX_FIELDS + 1)), Buffer.alloc(200_000, 0xff)]);
    expect(hasTooManyFields(Schema, broken)).to.equal(true);
    expect(() => fromBinary(Schema, broken)).to.throw();
  });

  it('that end outside of their message are an error', () => {
    for (const one of ['0aff01', '0a', 'ffffffffffffffffffffff', '0a0512'])
      expect(() => hasTooManyFields(Schema, hex(one)), one).to.throw();
  });
});
