import { expect } from 'chai';
import fc from 'fast-check';
import { FormatError } from '../../core/errors.ts';
import { TlsReader, uint, vector, writeUint, writeUint64, writeVector } from '../../core/tls.ts';
import { hex, refusalOf } from '../support/parsers.ts';

describe('core/tls', () => {
  it('reads back every integer that it writes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.maxSafeNat(), (width, seed) => {
        const value = seed % 256 ** width;
        const reader = new TlsReader(uint(width, value));
        expect(reader.uint(width)).to.equal(value);
        reader.end();
      }),
    );
  });

  it('writes 64-bit numbers the same way, slow and fast', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        const fast = new Uint8Array(8);
        expect(writeUint64(fast, 0, value)).to.equal(8);
        expect(fast).to.deep.equal(uint(8, value));
        expect(new TlsReader(fast).uint64()).to.equal(value);
      }),
    );
    expect(uint(8, 1700000000123)).to.deep.equal(hex('0000018bcfe5687b'));
  });

  it('refuses 64-bit numbers that JavaScript cannot hold', () => {
    expect(new TlsReader(hex('001fffffffffffff')).uint64()).to.equal(Number.MAX_SAFE_INTEGER);
    expect(refusalOf(() => new TlsReader(hex('0020000000000000')).uint64())?.code).to.equal('TOO_LARGE');
  });

  it('writes vectors the same way, slow and fast', () => {
    for (const width of [1, 2, 3] as const) {
      for (const length of [0, 1, 255, 256, 65535, 65536].filter((n) => n < 256 ** width)) {
        const content = new Uint8Array(length).fill(9);
        const slow = vector(width, content);
        const fast = new Uint8Array(width + length);
        expect(writeVector(fast, 0, width, content)).to.equal(fast.length);
        expect(Buffer.compare(fast, slow), `${width}/${length}`).to.equal(0);
        expect(new TlsReader(slow).vector(width).length).to.equal(length);
      }
    }
  });

  it('refuses content that its prefix cannot measure', () => {
    expect(() => vector(1, new Uint8Array(256))).to.throw(FormatError);
    expect(() => vector(2, new Uint8Array(65536))).to.throw(FormatError);
  });

  it('refuses to read past the end or to leave bytes behind', () => {
    expect(refusalOf(() => new TlsReader(hex('0001')).uint(3))?.code).to.equal('TRUNCATED');
    expect(refusalOf(() => new TlsReader(hex('02 00')).vector(1))?.code).to.equal('TRUNCATED');
    const reader = new TlsReader(hex('01 02'));
    reader.uint(1);
    expect(reader.offset).to.equal(1);
    expect(
      refusalOf(() => {
        reader.end();
      })?.code,
    ).to.equal('TRAILING_BYTES');
  });

  it('answers the offset behind what it wrote', () => {
    const out = new Uint8Array(4);
    expect(writeUint(out, 1, 2, 0x0102)).to.equal(3);
    expect(out).to.deep.equal(hex('00 01 02 00'));
  });
});
