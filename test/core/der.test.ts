import { expect } from 'chai';
import fc from 'fast-check';
import {
  booleanValue,
  DerReader,
  oidText,
  readOnly,
  unsignedMagnitude,
  wholeBits,
} from '../../core/der-reader.ts';
import { Tag } from '../../core/der-tag.ts';
import * as der from '../../core/der-writer.ts';
import { FormatError } from '../../core/errors.ts';
import { expectTypedErrors, hex, refusalOf } from '../support/parsers.ts';

const codeOf = (text: string, tag?: number): string | undefined =>
  refusalOf(() => new DerReader(hex(text)).next(tag))?.code;

describe('core/der', () => {
  it('reads back what it writes, at every width of length', () => {
    for (const length of [0, 1, 127, 128, 255, 256, 65535, 65536]) {
      const content = new Uint8Array(length).fill(7);
      const encoded = der.octetString(content);
      const read = readOnly(encoded, Tag.octetString);
      expect(read.value.length, `length ${length}`).to.equal(length);
      expect(read.raw.length).to.equal(encoded.length);
    }
  });

  it('refuses a second spelling of a length', () => {
    expect(codeOf('04 80 00 00'), 'indefinite').to.equal('MALFORMED');
    expect(codeOf('04 81 01 00'), 'long form of a short length').to.equal('MALFORMED');
    expect(codeOf(`04 82 00 80 ${'00'.repeat(128)}`), 'leading zero').to.equal('MALFORMED');
    expect(codeOf('04 85 00 00 00 00 01 00'), 'five octets').to.equal('MALFORMED');
    expect(codeOf('04 ff'), 'reserved').to.equal('MALFORMED');
  });

  it('never reads past the end', () => {
    expect(codeOf('')).to.equal('TRUNCATED');
    expect(codeOf('04')).to.equal('TRUNCATED');
    expect(codeOf('04 02 00')).to.equal('TRUNCATED');
    expect(codeOf('04 82 01')).to.equal('TRUNCATED');
    expect(codeOf('04 84 ff ff ff ff')).to.equal('TRUNCATED');
  });

  it('refuses tags of several octets, another tag than asked for, and bytes behind the end', () => {
    expect(codeOf('1f 81 00 00')).to.equal('UNSUPPORTED');
    expect(codeOf('04 00', Tag.sequence)).to.equal('MALFORMED');
    expect(refusalOf(() => readOnly(hex('04 00 00'), Tag.octetString))?.code).to.equal('TRAILING_BYTES');
  });

  it('walks a sequence by peek, optional and enter', () => {
    const reader = new DerReader(der.sequence(der.boolean(true), der.utf8String('é'))).enter(Tag.sequence);
    expect(reader.peek()).to.equal(Tag.boolean);
    expect(reader.optional(Tag.integer)).to.equal(undefined);
    expect(reader.optional(Tag.boolean)?.value).to.deep.equal(hex('ff'));
    expect(reader.next(Tag.utf8String).value).to.deep.equal(hex('c3 a9'));
    expect(reader.done).to.equal(true);
    expect(reader.peek()).to.equal(undefined);
    reader.end();
  });

  it('round-trips object identifiers', () => {
    const known: Record<string, string> = {
      '1.2.840.113549.1.1.11': '06 09 2a 86 48 86 f7 0d 01 01 0b',
      '2.5.29.17': '06 03 55 1d 11',
      '2.999.3': '06 03 88 37 03',
      '1.3.6.1.4.1.57264.1.24': '06 0a 2b 06 01 04 01 83 bf 30 01 18',
    };
    for (const [text, bytes] of Object.entries(known)) {
      expect(der.oid(text), text).to.deep.equal(hex(bytes));
      expect(oidText(readOnly(hex(bytes), Tag.oid).value)).to.equal(text);
    }
    const arcs = fc.array(fc.integer({ min: 0, max: 2 ** 40 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(fc.nat(2), fc.nat(39), arcs, (top, second, rest) => {
        const text = [top, second, ...rest].join('.');
        expect(oidText(readOnly(der.oid(text), Tag.oid).value)).to.equal(text);
      }),
    );
  });

  it('refuses object identifiers with padding, without an end, or out of range', () => {
    for (const bytes of ['', '80 01', '2a 80 01', '2a 86', `2a ${'ff'.repeat(8)}7f`, '2a'.repeat(65)]) {
      expect(() => oidText(hex(bytes)), bytes).to.throw(FormatError);
    }
  });

  it('writes minimal unsigned integers and reads their magnitude', () => {
    const cases: Record<string, string> = {
      '': '02 01 00',
      '00': '02 01 00',
      '00 00 7f': '02 01 7f',
      '80': '02 02 00 80',
    };
    for (const [magnitude, encoded] of Object.entries(cases)) {
      expect(der.unsignedInteger(hex(magnitude)), magnitude).to.deep.equal(hex(encoded));
    }
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 30 }), (bytes) => {
        const read = unsignedMagnitude(readOnly(der.unsignedInteger(bytes), Tag.integer).value);
        const number = (of: Uint8Array): bigint => BigInt(`0x${Buffer.from(of).toString('hex')}`);
        expect(number(read)).to.equal(number(bytes));
      }),
    );
  });

  it('refuses integers that are empty, negative or padded', () => {
    for (const content of ['', '80', 'ff ff', '00 7f', '00 00']) {
      expect(() => unsignedMagnitude(hex(content)), content).to.throw(FormatError);
    }
  });

  it('refuses bit strings with unused bits and booleans besides 00 and FF', () => {
    expect(wholeBits(hex('00 a0'))).to.deep.equal(hex('a0'));
    for (const content of ['', '01 a0']) expect(() => wholeBits(hex(content)), content).to.throw(FormatError);
    expect([booleanValue(hex('00')), booleanValue(hex('ff'))]).to.deep.equal([false, true]);
    for (const content of ['', '01', '00 00'])
      expect(() => booleanValue(hex(content)), content).to.throw(FormatError);
  });

  it('throws nothing but FormatError, whatever the bytes', () => {
    const good = [der.sequence(der.oid('1.2.3'), der.octetString(hex('0102')), der.bitString(hex('ff')))];
    expectTypedErrors((bytes) => {
      const reader = new DerReader(bytes);
      while (!reader.done) {
        const { tag, value } = reader.next();
        if (tag === Tag.oid) oidText(value);
        if (tag === Tag.integer) unsignedMagnitude(value);
        if (tag === Tag.sequence) new DerReader(value).next(Tag.oid);
      }
    }, good);
  });
});
