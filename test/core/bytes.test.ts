import { expect } from 'chai';
import fc from 'fast-check';
import * as bytes from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';

describe('core/bytes', () => {
  it('round-trips every encoding of every byte string', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (input) => {
        expect(bytes.fromHex(bytes.toHex(input))).to.deep.equal(input);
        expect(bytes.fromBase64(bytes.toBase64(input))).to.deep.equal(input);
        expect(bytes.fromBase64Url(bytes.toBase64Url(input))).to.deep.equal(input);
        expect(bytes.toBase64(input)).to.equal(Buffer.from(input).toString('base64'));
      }),
    );
  });

  it('never throws anything but FormatError on hostile text', () => {
    const decoders = [bytes.fromHex, bytes.fromBase64, bytes.fromBase64Url];
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.constantFrom(...decoders), (text, decode) => {
        try {
          decode(text);
        } catch (error) {
          expect(error).to.be.instanceOf(FormatError);
        }
      }),
    );
  });

  it('refuses a second spelling of the same bytes', () => {
    for (const text of ['QQ', 'QR==', 'Q===', 'QQ==\n', 'QUI', 'QUJ=']) {
      expect(() => bytes.fromBase64(text), text).to.throw(FormatError);
    }
  });
});
