import { expect } from 'chai';
import fc from 'fast-check';
import { AsnConvert } from '@peculiar/asn1-schema';
import { TimeStampReq } from '@peculiar/asn1-tsp';
import { boolean, explicit, octetString, oid, sequence, tlv } from '../../core/der-writer.ts';
import { SIGSTORE_POLICY } from '../../tsa/format/object-identifiers.ts';
import { TimestampError, type TimestampReason } from '../../tsa/timestamp-error.ts';
import {
  NONCE_LIMIT,
  parseTimestampRequest,
  timestampRequestOf,
  type TimestampRequest,
} from '../../tsa/timestamp-request.ts';
import { failureAs } from '../support/failure.ts';
import { runs } from '../support/runs.ts';
import { nonceOf, requestFor, WITH_CERTIFICATE } from './support/test-authority.ts';

const DATA = new TextEncoder().encode('a file');
const EXTENSION = sequence(oid('1.2.3'), octetString(Uint8Array.of(5, 0)));

const parsed = (der: Uint8Array): TimestampRequest | TimestampError => {
  try {
    return parseTimestampRequest(der);
  } catch (error) {
    if (error instanceof TimestampError) return error;
    throw error;
  }
};

describe('tsa/timestamp-request', () => {
  it('reads what clients send', () => {
    for (const hash of ['sha256', 'sha384', 'sha512'] as const) {
      const bare = parseTimestampRequest(requestFor(DATA, { hash }));
      expect(bare).to.include({ hash, wantsCertificate: false, policy: undefined, nonce: undefined });
      const rest = [oid(SIGSTORE_POLICY), nonceOf(0x80, 1), WITH_CERTIFICATE];
      const full = parseTimestampRequest(requestFor(DATA, { hash, rest }));
      expect(full).to.deep.include({
        policy: oid(SIGSTORE_POLICY),
        nonce: nonceOf(0x80, 1),
        wantsCertificate: true,
      });
      expect(full.digest).to.deep.equal(bare.digest);
    }
  });

  it('keeps the imprint as it came, with NULL behind the algorithm or without', () => {
    const digest = new Uint8Array(32);
    const imprint = sequence(sequence(oid('2.16.840.1.101.3.4.2.1')), octetString(digest));
    const request = parseTimestampRequest(sequence(nonceOf(1), imprint));
    expect(request.imprint).to.deep.equal(imprint);
    const made = timestampRequestOf('sha256', digest, { wantsCertificate: false });
    expect(made.imprint).to.deep.equal(parseTimestampRequest(requestFor(DATA, { digest })).imprint);
  });

  const refused: readonly (readonly [what: string, der: Uint8Array, code: TimestampReason])[] = [
    ['nothing', new Uint8Array(), 'TIMESTAMP_MALFORMED'],
    ['bytes behind the end', Uint8Array.from([...requestFor(DATA), 0]), 'TIMESTAMP_MALFORMED'],
    ['version 2', requestFor(DATA, { version: nonceOf(2) }), 'TIMESTAMP_UNSUPPORTED'],
    [
      'a digest that is too short',
      requestFor(DATA, { digest: new Uint8Array(20) }),
      'TIMESTAMP_DIGEST_LENGTH',
    ],
    ['no digest', requestFor(DATA, { digest: new Uint8Array() }), 'TIMESTAMP_DIGEST_LENGTH'],
    [
      'SHA-1',
      sequence(nonceOf(1), sequence(sequence(oid('1.3.14.3.2.26')), octetString(new Uint8Array(20)))),
      'TIMESTAMP_ALGORITHM_REFUSED',
    ],
    ['certReq spelled out as FALSE', requestFor(DATA, { rest: [boolean(false)] }), 'TIMESTAMP_MALFORMED'],
    ['a BOOLEAN of 01', requestFor(DATA, { rest: [Uint8Array.of(1, 1, 1)] }), 'TIMESTAMP_MALFORMED'],
    [
      'a nonce that is not minimal',
      requestFor(DATA, { rest: [tlv(2, Uint8Array.of(0, 1))] }),
      'TIMESTAMP_MALFORMED',
    ],
    ['an empty nonce', requestFor(DATA, { rest: [tlv(2)] }), 'TIMESTAMP_MALFORMED'],
    [
      'a nonce without end',
      requestFor(DATA, { rest: [tlv(2, new Uint8Array(NONCE_LIMIT + 1).fill(1))] }),
      'TIMESTAMP_MALFORMED',
    ],
    [
      'fields in another order',
      requestFor(DATA, { rest: [WITH_CERTIFICATE, nonceOf(7)] }),
      'TIMESTAMP_MALFORMED',
    ],
    ['an extension', requestFor(DATA, { rest: [explicit(0, EXTENSION)] }), 'TIMESTAMP_EXTENSION_REFUSED'],
    ['more than it takes', requestFor(DATA, { digest: new Uint8Array(5000) }), 'TIMESTAMP_MALFORMED'],
  ];
  for (const [what, der, code] of refused)
    it(`refuses ${what}`, async () => {
      expect((await failureAs(TimestampError, () => parseTimestampRequest(der))).code).to.equal(code);
    });

  it('throws its one typed error, whatever the bytes', () => {
    const good = [
      requestFor(DATA, { rest: [oid('1.2.3.4'), nonceOf(9, 9), WITH_CERTIFICATE] }),
      requestFor(DATA, { hash: 'sha512', rest: [explicit(0, EXTENSION)] }),
    ];
    const change = fc.tuple(fc.constantFrom(...good), fc.nat(), fc.integer({ min: 0, max: 255 }), fc.nat());
    const damaged = change.map(([bytes, at, value, cut]) => {
      const out = Uint8Array.from(bytes);
      out[at % out.length] = value;
      return cut % 4 === 0 ? out.subarray(0, cut % out.length) : out;
    });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 100 }), damaged), (bytes) => {
        parsed(bytes);
      }),
      { numRuns: runs(5000) },
    );
  });

  it('reads what a library of the field writes, and nothing that the library reads otherwise', () => {
    const request = fc.record({
      hash: fc.constantFrom('sha256' as const, 'sha384' as const, 'sha512' as const),
      policy: fc.option(fc.constantFrom('1.2.3', '1.3.6.1.4.1.57264.2', '2.999.1'), { nil: undefined }),
      nonce: fc.option(fc.uint8Array({ minLength: 1, maxLength: 20 }), { nil: undefined }),
      wants: fc.boolean(),
    });
    fc.assert(
      fc.property(request, ({ hash, policy, nonce, wants }) => {
        const rest = [
          ...(policy === undefined ? [] : [oid(policy)]),
          ...(nonce === undefined ? [] : [nonceOf(...nonce)]),
          ...(wants ? [WITH_CERTIFICATE] : []),
        ];
        const der = requestFor(DATA, { hash, rest });
        const ours = parseTimestampRequest(der);
        const theirs = AsnConvert.parse(der, TimeStampReq);
        expect(Buffer.from(AsnConvert.serialize(theirs)).equals(der)).to.equal(true);
        expect(ours.wantsCertificate).to.equal(theirs.certReq);
        expect(Buffer.from(theirs.messageImprint.hashedMessage.buffer).equals(ours.digest)).to.equal(true);
        if (policy !== undefined) expect(theirs.reqPolicy).to.equal(policy);
        expect(ours.nonce === undefined).to.equal(theirs.nonce === undefined);
        if (ours.nonce !== undefined && theirs.nonce !== undefined)
          expect(Buffer.from(theirs.nonce).equals(ours.nonce.subarray(2))).to.equal(true);
      }),
      { numRuns: runs(1000) },
    );
  });
});
