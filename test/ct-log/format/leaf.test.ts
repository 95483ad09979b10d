import { expect } from 'chai';
import fc from 'fast-check';
import { toBase64, toHex } from '../../../core/bytes.ts';
import { FormatError } from '../../../core/errors.ts';
import { concat } from '../../../core/bytes.ts';
import { vector } from '../../../core/tls.ts';
import {
  encodeEntry,
  encodeHashInput,
  encodeLeaf,
  parseLeaf,
  parseTileLeaf,
  type PrecertificateEntry,
} from '../../../ct-log/format/leaf.ts';
import { leafIndexExtension, parseLeafIndex } from '../../../ct-log/format/leaf-index.ts';
import { hashLeaf } from '../../../tlog/format/merkle.ts';
import { expectTypedErrors, hex, refusalOf, sha256 } from '../../support/parsers.ts';

const TIME = 1700000000123;
const vectorEntry: PrecertificateEntry = {
  issuerKeyHash: new Uint8Array(32).fill(0x11),
  tbs: hex('30030201aa'),
  precertificate: hex('3003020155'),
  chainFingerprints: new Uint8Array(32).fill(0x22),
};
const hash32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const arbitraryEntry: fc.Arbitrary<PrecertificateEntry> = fc.record({
  issuerKeyHash: hash32,
  tbs: fc.uint8Array({ minLength: 1, maxLength: 600 }),
  precertificate: fc.uint8Array({ minLength: 1, maxLength: 600 }),
  chainFingerprints: fc.array(hash32, { maxLength: 3 }).map(concat),
});

describe('ct-log/format/leaf', () => {
  it('encodes the known precertificate entry to the known bytes', () => {
    const { leaf, tileLeaf, hashInput } = encodeEntry(vectorEntry, TIME, leafIndexExtension(66051));
    const ones = '11'.repeat(32);
    expect(toHex(leaf)).to.equal(`00000000018bcfe5687b0001${ones}00000530030201aa00080000050000010203`);
    expect(leaf.length).to.equal(62);
    const tail = `00000330030201550020${'22'.repeat(32)}`.replace('000003', '000005');
    expect(toHex(tileLeaf)).to.equal(
      `0000018bcfe5687b0001${ones}00000530030201aa00080000050000010203${tail}`,
    );
    const expected = '6e3ac60c957374970fdc75b0399ab07cc4bd7d540718d19396192220bf74c7c0';
    expect(toHex(hashLeaf(sha256, leaf))).to.equal(expected);
    expect(toHex(sha256(hashInput))).to.equal(expected);
    expect(toBase64(leafIndexExtension(66051))).to.equal('AAAFAAABAgM=');
  });

  it('encodes the same bytes as an x509 entry to the known hash', () => {
    const entry = { type: 'x509', certificate: vectorEntry.tbs } as const;
    const leaf = encodeLeaf({ entry, timestamp: TIME, extensions: leafIndexExtension(66051) });
    expect(toHex(hashLeaf(sha256, leaf))).to.equal(
      'ab07ead103104a3d273e4257987001ad18bce0d1a6cfd1d390c6bd89be1ace23',
    );
  });

  it('agrees with the plain encoder and reads back every entry, wherever it stands in a tile', () => {
    fc.assert(
      fc.property(
        arbitraryEntry,
        fc.maxSafeNat(),
        fc.uint8Array({ maxLength: 20 }),
        fc.nat(9),
        (entry, time, extensions, offset) => {
          const { leaf, tileLeaf, hashInput } = encodeEntry(entry, time, extensions);
          expect(encodeHashInput(entry, time, extensions)).to.deep.equal(hashInput);
          const signed = { type: 'precert', issuerKeyHash: entry.issuerKeyHash, tbs: entry.tbs } as const;
          expect(leaf).to.deep.equal(encodeLeaf({ entry: signed, timestamp: time, extensions }));
          expect(parseLeaf(leaf)).to.deep.equal({ entry: signed, timestamp: time, extensions });
          const tile = concat([new Uint8Array(offset), tileLeaf, new Uint8Array(3)]);
          expect(parseTileLeaf(tile, offset)).to.deep.equal({
            entry: signed,
            timestamp: time,
            extensions,
            precertificate: entry.precertificate,
            chainFingerprints: entry.chainFingerprints,
            leaf,
            next: offset + tileLeaf.length,
          });
        },
      ),
    );
  });

  it('reads x509 entries of a data tile', () => {
    const leaf = encodeLeaf({
      entry: { type: 'x509', certificate: hex('3000') },
      timestamp: 1,
      extensions: hex(''),
    });
    const read = parseTileLeaf(concat([leaf.subarray(2), vector(2, new Uint8Array(64))]));
    expect(read.entry).to.deep.equal({ type: 'x509', certificate: hex('3000') });
    expect(read.precertificate).to.equal(undefined);
    expect(read.leaf).to.deep.equal(leaf);
  });

  it('refuses to encode what would not read back', () => {
    const wrong: Partial<PrecertificateEntry>[] = [
      { issuerKeyHash: new Uint8Array(31) },
      { chainFingerprints: new Uint8Array(33) },
      { chainFingerprints: new Uint8Array(65536) },
      { tbs: new Uint8Array() },
      { precertificate: new Uint8Array() },
      { tbs: new Uint8Array(2 ** 24) },
    ];
    for (const change of wrong) {
      expect(() => encodeEntry({ ...vectorEntry, ...change }, TIME, hex(''))).to.throw(FormatError);
    }
    for (const time of [-1, 0.5, Number.NaN, 2 ** 53]) {
      expect(() => encodeEntry(vectorEntry, time, hex('')), String(time)).to.throw(FormatError);
    }
    expect(() => encodeEntry(vectorEntry, TIME, new Uint8Array(65536))).to.throw(FormatError);
  });

  it('refuses unknown types and versions, torn chains, empty certificates and trailing bytes', () => {
    const { leaf, tileLeaf } = encodeEntry(vectorEntry, TIME, hex(''));
    const changed = (bytes: Uint8Array, at: number, value: number): Uint8Array =>
      Uint8Array.from(bytes).fill(value, at, at + 1);
    expect(refusalOf(() => parseLeaf(changed(leaf, 0, 1)))?.code).to.equal('UNSUPPORTED');
    expect(refusalOf(() => parseLeaf(changed(leaf, 1, 1)))?.code).to.equal('UNSUPPORTED');
    expect(refusalOf(() => parseLeaf(changed(leaf, 11, 2)))?.code).to.equal('UNSUPPORTED');
    expect(refusalOf(() => parseLeaf(concat([leaf, hex('00')])))?.code).to.equal('TRAILING_BYTES');
    expect(refusalOf(() => parseTileLeaf(tileLeaf.subarray(0, -1)))?.code).to.equal('TRUNCATED');
    expect(refusalOf(() => parseTileLeaf(changed(tileLeaf, tileLeaf.length - 33, 31)))?.code).to.equal(
      'MALFORMED',
    );
    expect(refusalOf(() => parseTileLeaf(hex('0000000000000000 0000 000000 0000 0000')))?.code).to.equal(
      'MALFORMED',
    );
  });

  it('throws nothing but FormatError, whatever the bytes', () => {
    const { leaf, tileLeaf } = encodeEntry(vectorEntry, TIME, leafIndexExtension(1));
    expectTypedErrors(parseLeaf, [leaf]);
    expectTypedErrors(parseTileLeaf, [tileLeaf]);
  });
});

describe('ct-log/format/leaf-index', () => {
  it('round-trips every index below 2^40', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 40 - 1 }), (index) => {
        expect(parseLeafIndex(leafIndexExtension(index))).to.equal(index);
      }),
    );
    expect(toHex(leafIndexExtension(2 ** 40 - 1))).to.equal('000005ffffffffff');
    for (const index of [-1, 2 ** 40, 1.5]) expect(() => leafIndexExtension(index)).to.throw(FormatError);
  });

  it('finds the index in any place, and none where there is none', () => {
    expect(parseLeafIndex(hex('01 0001 ff 00 0005 0000000007'))).to.equal(7);
    expect(parseLeafIndex(hex('00 0005 0000000007 02 0000'))).to.equal(7);
    expect(parseLeafIndex(hex(''))).to.equal(undefined);
    expect(parseLeafIndex(hex('01 0000'))).to.equal(undefined);
  });

  it('refuses an index twice, of another length, or cut short', () => {
    for (const text of [
      '00 0005 0000000007 00 0005 0000000007',
      '00 0004 00000007',
      '00 0006 000000000007',
      '00 0005 00',
      '01 0000 01 0000',
    ]) {
      expect(() => parseLeafIndex(hex(text)), text).to.throw(FormatError);
    }
    expectTypedErrors(parseLeafIndex, [leafIndexExtension(7)]);
  });
});
