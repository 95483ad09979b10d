import { expect } from 'chai';
import fc from 'fast-check';
import { asciiJson, hasInvisible, printable, printableJson, printableLines } from '../../core/printable.ts';

/** One of each kind that paints, hides, or turns what is around it. */
export const UNPRINTABLE: readonly string[] = [
  ...['\0', '\x07', '\b', '\t', '\n', '\r', '\x1b', '\x7f', '\x85', '\x9b', '\x9d'],
  ...[
    '\u00ad',
    '\u034f',
    '\u061c',
    '\u115f',
    '\u17b4',
    '\u180b',
    '\u180e',
    '\u200b',
    '\u200d',
    '\u200e',
    '\u202e',
  ],
  ...[
    '\u2028',
    '\u2029',
    '\u2060',
    '\u2067',
    '\u2800',
    '\u3164',
    '\ue000',
    '\ufe0f',
    '\ufeff',
    '\ufff9',
    '\uffff',
  ],
  ...['\ud800', '\udfff', '\u{1d173}', '\u{e0001}', '\u{e0041}', '\u{e0100}', '\u{10ffff}'],
];

describe('core/printable', () => {
  it('shows what is not printable as an escape, and everything else as it is', () => {
    for (const char of UNPRINTABLE) {
      const code = (char.codePointAt(0) ?? 0).toString(16);
      expect(printable(`a${char}b`)).to.equal(`a\\u{${code}}b`);
    }
    for (const text of ['', 'plain ~', 'jörg', '有', 'a\u0301', '😀', '\\', '"'])
      expect(printable(text)).to.equal(text);
  });

  it('leaves the line feeds of a text of several lines, and nothing else', () => {
    expect(printableLines('a\n\x1b[2Jb\u202e\nc')).to.equal('a\n\\u{1b}[2Jb\\u{202e}\nc');
    for (const char of UNPRINTABLE.filter((one) => one !== '\n'))
      expect(printableLines(`${char}\n`)).to.equal(`${printable(char)}\n`);
  });

  it('keeps what JSON says', () => {
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom(...UNPRINTABLE));
    fc.assert(
      fc.property(fc.array(text), fc.constantFrom(0, 2), (values, indent) => {
        const json = JSON.stringify(values, undefined, indent);
        expect(JSON.parse(printableJson(json))).to.deep.equal(values);
        expect(printable(printableJson(json).replaceAll('\n', ''))).to.equal(
          printableJson(json).replaceAll('\n', ''),
        );
        expect(JSON.parse(asciiJson(JSON.stringify(values)))).to.deep.equal(values);
        expect(asciiJson(JSON.stringify(values))).to.match(/^[\x20-\x7e]*$/);
      }),
    );
  });

  it('knows what nobody sees in a name, and takes letters, marks and pictures for seen', () => {
    const seen = ['\ue000', '\uffff', '\u{10ffff}'];
    for (const char of UNPRINTABLE)
      expect(hasInvisible(`a${char}`), JSON.stringify(char)).to.equal(!seen.includes(char));
    for (const text of ['', 'plain ~', 'jörg', '有', 'a\u0301', '😀', 'ﺝﻭﺮﺟ'])
      expect(hasInvisible(text)).to.equal(false);
  });
});
