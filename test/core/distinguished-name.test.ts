import { expect } from 'chai';
import * as der from '../../core/der-writer.ts';
import { describeName } from '../../core/distinguished-name.ts';
import { FormatError } from '../../core/errors.ts';
import { expectTypedErrors, hex } from '../support/parsers.ts';

const attribute = (oid: string, value: Uint8Array): Uint8Array => der.sequence(der.oid(oid), value);
const name = (...attributes: Uint8Array[]): Uint8Array =>
  der.sequence(...attributes.map((one) => der.set(one)));
const CN = '2.5.4.3';

describe('core/distinguished-name', () => {
  it('names the most specific attribute first', () => {
    const der1 = name(attribute('2.5.4.10', der.utf8String('Org')), attribute(CN, der.utf8String('Me')));
    expect(describeName(der1)).to.equal('CN=Me, O=Org');
  });

  it('reads every type of string, and shows others as bytes', () => {
    const cases: [Uint8Array, string][] = [
      [der.tlv(0x13, Buffer.from('printable')), 'printable'],
      [der.tlv(0x16, Buffer.from('a@b')), 'a@b'],
      [der.tlv(0x14, hex('e4')), 'ä'],
      [der.tlv(0x1e, hex('00e4 20ac')), 'ä€'],
      [hex('02 01 05'), '#020105'],
    ];
    for (const [value, text] of cases)
      expect(describeName(name(attribute(CN, value)))).to.equal(`CN=${text}`);
    expect(describeName(name(attribute('1.2.3', der.utf8String('x'))))).to.equal('1.2.3=x');
  });

  it('cannot be used to forge another name or to paint on a terminal', () => {
    const evil = name(attribute(CN, der.utf8String('a, O=Other\u001b[2J\u202e')));
    expect(describeName(evil)).to.equal('CN=a\\, O\\=Other\\u{1b}[2J\\u{202e}');
  });

  it('cuts what is longer than any honest name', () => {
    const many = name(...Array.from({ length: 5000 }, () => attribute(CN, der.utf8String('x'))));
    expect(describeName(many)).to.match(/^(?:CN=x, ){32}… \(4968 more\)$/);
    const long = name(attribute(CN, der.utf8String('x'.repeat(100_000))));
    expect(describeName(long)).to.equal(`CN=${'x'.repeat(512)}…`);
  });

  it('answers an empty text for an empty name', () => {
    expect(describeName(der.sequence())).to.equal('');
  });

  it('refuses an empty set, half a BMPString and bytes behind the end', () => {
    const wrong = [
      der.sequence(der.set()),
      name(attribute(CN, hex('1e 01 00'))),
      Uint8Array.from([...der.sequence(), 0]),
    ];
    for (const bytes of wrong) expect(() => describeName(bytes)).to.throw(FormatError);
  });

  it('throws nothing but FormatError, whatever the bytes', () => {
    expectTypedErrors(describeName, [
      name(attribute(CN, der.utf8String('Me')), attribute('2.5.4.10', hex('1e 02 0041'))),
    ]);
  });
});
