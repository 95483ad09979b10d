import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import fc from 'fast-check';
import { FormatError } from '../../core/errors.ts';
import {
  decodeSubjectAltNames,
  encodeSubjectAltName,
  type SubjectAltName,
} from '../../core/subject-alt-name.ts';
import { expectTypedErrors, hex } from '../support/parsers.ts';
import { vectorPath } from '../support/vectors.ts';

describe('core/subject-alt-name', () => {
  it('writes the forms of RFC 5280 and of Fulcio', () => {
    const cases: [SubjectAltName, string][] = [
      [{ type: 'email', value: 'a@b' }, '30 05 81 03 614062'],
      [{ type: 'uri', value: 'x:y' }, '30 05 86 03 783a79'],
      [{ type: 'username', value: 'a!b' }, '30 15 a0 13 06 0a 2b0601040183bf300107 a0 05 0c 03 612162'],
    ];
    for (const [name, bytes] of cases) {
      expect(Buffer.from(encodeSubjectAltName(name)).toString('hex')).to.equal(
        Buffer.from(hex(bytes)).toString('hex'),
      );
    }
  });

  it('writes a user name as the programs of Sigstore do, and reads theirs', () => {
    const vectors = JSON.parse(readFileSync(vectorPath('go-othername.json'), 'utf8')) as {
      readonly name: string;
      readonly der: string;
    }[];
    for (const { name: value, der } of vectors) {
      const encoded = encodeSubjectAltName({ type: 'username', value });
      expect(Buffer.from(encoded).toString('hex'), value).to.equal(der);
      expect(decodeSubjectAltNames(hex(der))).to.deep.equal([{ type: 'username', value }]);
    }
  });

  it('reads back every name', () => {
    const ascii = fc.string({ unit: 'grapheme-ascii' });
    const name = fc.oneof(
      fc.record({ type: fc.constantFrom('email' as const, 'uri' as const), value: ascii }),
      fc.record({ type: fc.constant('username' as const), value: fc.string({ unit: 'grapheme' }) }),
    );
    fc.assert(
      fc.property(name, (value) => {
        expect(decodeSubjectAltNames(encodeSubjectAltName(value))).to.deep.equal([value]);
      }),
    );
  });

  it('refuses an address or URI that is not ASCII, both ways', () => {
    expect(() => encodeSubjectAltName({ type: 'email', value: 'ä@b' })).to.throw(FormatError);
    expect(() => encodeSubjectAltName({ type: 'uri', value: 'https://ä' })).to.throw(FormatError);
    expect(() => decodeSubjectAltNames(hex('30 04 81 02 c3a4'))).to.throw(FormatError);
  });

  it('skips names of other kinds and keeps the order of the rest', () => {
    const dns = '82 01 61';
    const foreign = 'a0 09 06 03 2a0304 a0 02 0500';
    expect(decodeSubjectAltNames(hex(`30 14 ${dns} 81 01 62 ${foreign} 86 01 63`))).to.deep.equal([
      { type: 'email', value: 'b' },
      { type: 'uri', value: 'c' },
    ]);
  });

  it('throws nothing but FormatError, whatever the bytes', () => {
    expectTypedErrors(decodeSubjectAltNames, [
      encodeSubjectAltName({ type: 'email', value: 'a@b.c' }),
      encodeSubjectAltName({ type: 'username', value: 'a!b' }),
    ]);
  });
});
