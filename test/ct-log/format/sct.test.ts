import { expect } from 'chai';
import fc from 'fast-check';
import { toHex } from '../../../core/bytes.ts';
import { LAST_TIME } from '../../../core/clock.ts';
import { octetString } from '../../../core/der-writer.ts';
import { FormatError } from '../../../core/errors.ts';
import { vector } from '../../../core/tls.ts';
import { encodeDigitallySigned, parseDigitallySigned } from '../../../ct-log/format/digitally-signed.ts';
import {
  encodeSct,
  encodeSctList,
  parseSct,
  parseSctList,
  type SctParts,
} from '../../../ct-log/format/sct.ts';
import { expectTypedErrors, hex, refusalOf } from '../../support/parsers.ts';

const parts: SctParts = {
  logId: new Uint8Array(32).fill(0xaa),
  timestamp: 1700000000123,
  extensions: hex('0000050000010203'),
  signature: hex('3006020101020102'),
};
const arbitrarySct = fc.record({
  logId: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  timestamp: fc.maxSafeNat().map((time) => time % (LAST_TIME + 1)),
  extensions: fc.uint8Array({ maxLength: 20 }),
  signature: fc.uint8Array({ maxLength: 80 }),
});

describe('ct-log/format/sct', () => {
  it('lays an SCT out as RFC 6962 says', () => {
    expect(toHex(encodeSct(parts))).to.equal(
      `00${'aa'.repeat(32)}0000018bcfe5687b00080000050000010203040300083006020101020102`,
    );
  });

  it('takes no time that no calendar has', () => {
    expect(parseSct(encodeSct({ ...parts, timestamp: LAST_TIME })).timestamp).to.equal(LAST_TIME);
    for (const timestamp of [LAST_TIME + 1, Number.MAX_SAFE_INTEGER]) {
      expect(refusalOf(() => parseSct(encodeSct({ ...parts, timestamp })))?.code).to.equal('MALFORMED');
    }
  });

  it('reads back every SCT', () => {
    fc.assert(
      fc.property(arbitrarySct, (sct) => {
        expect(parseSct(encodeSct(sct))).to.deep.equal({ ...sct, hashAlgorithm: 4, signatureAlgorithm: 3 });
      }),
    );
  });

  it('reads back every list, whatever the width of its length', () => {
    for (const length of [1, 120, 123, 124, 125, 250, 251, 252, 253, 65533]) {
      const encoded = encodeSctList([new Uint8Array(length).fill(5)]);
      expect(encoded, String(length)).to.deep.equal(
        octetString(vector(2, vector(2, new Uint8Array(length).fill(5)))),
      );
      expect(parseSctList(encoded)[0]?.length).to.equal(length);
    }
    const list = fc.array(fc.uint8Array({ minLength: 1, maxLength: 200 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(list, (scts) => {
        expect(parseSctList(encodeSctList(scts))).to.deep.equal(scts);
      }),
    );
  });

  it('refuses to write what does not fit', () => {
    expect(() => encodeSct({ ...parts, logId: new Uint8Array(31) })).to.throw(FormatError);
    expect(() => encodeSct({ ...parts, timestamp: 1.5 })).to.throw(FormatError);
    expect(() => encodeSct({ ...parts, signature: new Uint8Array(65536) })).to.throw(FormatError);
    expect(() => encodeSctList([])).to.throw(FormatError);
    expect(() => encodeSctList([new Uint8Array(65534)])).to.throw(FormatError);
  });

  it('refuses another version, empty lists, empty SCTs and bytes behind the end', () => {
    const sct = encodeSct(parts);
    expect(refusalOf(() => parseSct(Uint8Array.from([1, ...sct.subarray(1)])))?.code).to.equal('UNSUPPORTED');
    expect(refusalOf(() => parseSct(Uint8Array.from([...sct, 0])))?.code).to.equal('TRAILING_BYTES');
    expect(refusalOf(() => parseSct(sct.subarray(0, -1)))?.code).to.equal('TRUNCATED');
    for (const list of [
      '04 02 0000',
      '04 04 0002 0000',
      '04 05 0002 0001 ff 00',
      '04 06 0003 0001 ff 00',
      '04 05 0003 0001 ff 00',
    ]) {
      expect(
        refusalOf(() => parseSctList(hex(list))),
        list,
      ).to.not.equal(undefined);
    }
  });

  it('throws nothing but FormatError, whatever the bytes', () => {
    const sct = encodeSct(parts);
    expectTypedErrors(parseSct, [sct]);
    expectTypedErrors(parseSctList, [encodeSctList([sct]), encodeSctList([sct, sct])]);
    expectTypedErrors(parseDigitallySigned, [encodeDigitallySigned(parts.signature)]);
  });

  it('round-trips DigitallySigned', () => {
    expect(parseDigitallySigned(encodeDigitallySigned(hex('0102')))).to.deep.equal({
      hashAlgorithm: 4,
      signatureAlgorithm: 3,
      signature: hex('0102'),
    });
  });
});
