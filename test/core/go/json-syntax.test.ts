import { expect } from 'chai';
import { firstJsonValueOf } from '../../../core/go/json-syntax.ts';

/** `json.NewDecoder(text).Decode` of Go 1.26.8 into a `json.RawMessage`: what it says. */
const FAULTS: readonly (readonly [text: string, message: string])[] = [
  ['{oops', "invalid character 'o' looking for beginning of object key string"],
  ['{"a":1 "b"}', "invalid character '\"' after object key:value pair"],
  ['{"a":1,}', "invalid character '}' looking for beginning of object key string"],
  ['{"a":tru }', "invalid character ' ' in literal true (expecting 'e')"],
  ['{"a":"\\q"}', "invalid character 'q' in string escape code"],
  ['{"a":01}', "invalid character '1' after object key:value pair"],
  ['-', 'unexpected EOF'],
  ['1.', 'unexpected EOF'],
  ['{"a"', 'unexpected EOF'],
  ['{"a":"\n"}', "invalid character '\\n' in string literal"],
  ['é', "invalid character 'Ã' looking for beginning of value"],
  ['["a" }', "invalid character '}' after array element"],
  ['{"a":1]', "invalid character ']' after object key:value pair"],
  ["'", "invalid character '\\'' looking for beginning of value"],
  ['[1,]', "invalid character ']' looking for beginning of value"],
  ['nulx', "invalid character 'x' in literal null (expecting 'l')"],
  ['"\\u12g4"', "invalid character 'g' in \\u hexadecimal character escape"],
];

describe('core/go/json-syntax', () => {
  it('says of each fault what Go says', () => {
    for (const [text, message] of FAULTS)
      expect(firstJsonValueOf(text), text).to.deep.equal({ type: 'fault', message });
  });

  it('finds the end of the first value, whatever follows it', () => {
    for (const value of [
      '{}',
      '[]',
      '{"a":{"b":[1,-2.5e+3,{"c":null}]}}',
      '"\\u0041\\"é"',
      'true',
      '[[],{},[{}]]',
    ])
      for (const rest of ['', ' ', ' {', 'x', '\u0000'])
        expect(firstJsonValueOf(`\n ${value}${rest}`)).to.deep.equal({
          type: 'value',
          end: 2 + value.length,
        });
    expect(firstJsonValueOf(' \t\r\n')).to.deep.equal({ type: 'nothing' });
  });

  it('takes what JSON.parse takes, and nothing else', () => {
    const pieces = ['{', '}', '[', ']', ',', ':', '"a"', '"', '1', '-0.5e1', 'null', ' ', '\\', 'tru', 'e'];
    let seed = 7;
    const random = (below: number): number => (seed = (seed * 48271) % 2147483647) % below;
    for (let i = 0; i < 5_000; i++) {
      const text = Array.from({ length: 1 + random(7) }, () => pieces[random(pieces.length)]).join('');
      const first = firstJsonValueOf(text);
      const isWhole = first.type === 'value' && text.slice(first.end).trim() === '';
      expect(isWhole, text).to.equal(isJson(text));
    }
  });

  it('is not exhausted by depth', () => {
    expect(firstJsonValueOf('['.repeat(1_000_000))).to.deep.equal({
      type: 'fault',
      message: 'exceeded max depth',
    });
  });
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
