import { expect } from 'chai';
import fc from 'fast-check';
import { parseStrictJson } from '../../core/strict-json.ts';
import { refusalOf } from '../support/parsers.ts';
import { runs } from '../support/runs.ts';

const LIMITS = { length: 10_000_000, depth: 4 };

const verdictOf = (text: string, limits: Parameters<typeof parseStrictJson>[1] = LIMITS): string => {
  const refusal = refusalOf(() => parseStrictJson(text, limits));
  return refusal === undefined ? 'ok' : `${refusal.code}: ${refusal.message}`;
};

describe('core/strict-json', () => {
  it('reads what JSON.parse reads', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 3 }), fc.constantFrom(undefined, 1, '\t'), (json, space) => {
        const text = JSON.stringify(JSON.parse(json), undefined, space);
        expect(parseStrictJson(text, LIMITS)).to.deep.equal(JSON.parse(text));
      }),
      { numRuns: runs(1000) },
    );
  });

  it('takes a name once in an object, in whatever spelling, and as often as it likes elsewhere', () => {
    const good = [
      '{"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]}',
      '{"a":"a","b":"a"}',
      '{"a":["a","a","b"],"b":":"}',
      '{"a":"\\"a\\":","b\\"":"\\\\","c":"{[,"}',
      '["a","a"]',
      '{"a":1,"A":2,"":3," ":4,"__proto__":5,"constructor":6}',
    ];
    for (const text of good) expect(verdictOf(text), text).to.equal('ok');
    const twice = [
      '{"a":1,"a":1}',
      '{"a":1,"b":{"a":2},"a":1}',
      '{"a":{"b":1 , "b" \t\r\n:2}}',
      '[[{"a":[],"\\u0061":[]}]]',
      '{"a\\/":1,"a/":1}',
      '{"a\\\\":1,"a\\\\":1}',
      '{"a\\\\\\"":"\\\\","a\\\\\\"":1}',
      '{"__proto__":1,"__proto__":1}',
      '{"":1,"":1}',
    ];
    for (const text of twice)
      expect(verdictOf(text), text).to.match(/^MALFORMED: the JSON names ".*" twice in one object$/);
  });

  it('quotes a name on one line', () => {
    const name = '\\n\\u001b[2K\\u202e';
    expect(verdictOf(`{"${name}":1,"${name}":1}`)).to.equal(
      'MALFORMED: the JSON names "\\u{a}\\u{1b}[2K\\u{202e}" twice in one object',
    );
  });

  it('bounds length, depth, parts and names, each to the last', () => {
    expect(verdictOf('[1]', { length: 3, depth: 1 })).to.equal('ok');
    expect(verdictOf('[1] ', { length: 3, depth: 1 })).to.match(/^TOO_LARGE: .* more than 3 characters$/);
    expect(verdictOf('[[{"a":[]}]]')).to.equal('ok');
    expect(verdictOf('[[{"a":[[]]}]]')).to.equal('TOO_LARGE: the JSON is nested deeper than 4');
    expect(verdictOf('{"a":{"b":{"c":{"d":{}}}}}')).to.equal('TOO_LARGE: the JSON is nested deeper than 4');
    const parts = { ...LIMITS, parts: 5 };
    expect(verdictOf('[1,2,{"a":[]}]', parts)).to.equal('ok');
    expect(verdictOf('[1,2,{"a":[],"b":1}]', parts)).to.match(
      /^TOO_LARGE: .* more than 5 members and elements$/,
    );
    expect(verdictOf(`[${'1,'.repeat(99_998)}1]`)).to.equal('ok');
    expect(verdictOf(`[${'1,'.repeat(100_000)}1]`)).to.match(/more than 100000 members and elements/);
    const names = (count: number): string =>
      `{${Array.from({ length: count }, (_, i) => `"${i}":1`).join(',')}}`;
    const many = { ...LIMITS, parts: 1_000_000 };
    expect(verdictOf(names(100_000), many)).to.equal('ok');
    expect(verdictOf(names(100_001), many)).to.match(
      /^TOO_LARGE: the JSON has more than 100000 different names$/,
    );
  });

  it('reads long texts of any kind without running out of stack', () => {
    const length = 4_000_000;
    expect(verdictOf(`{"a":"${'\\n'.repeat(length)}"}`)).to.equal('ok');
    expect(verdictOf(`{"a":"${'\\"'.repeat(length)}"}`)).to.equal('ok');
    expect(verdictOf(`{"${'\\\\'.repeat(length)}":1}`)).to.equal('ok');
    expect(verdictOf(`"${'\\n'.repeat(length)}`)).to.equal('MALFORMED: the text is not JSON');
    expect(verdictOf('['.repeat(length))).to.match(/nested deeper/);
    expect(verdictOf('{"a":'.repeat(1_000_000))).to.match(/nested deeper/);
    expect(verdictOf(' '.repeat(length))).to.equal('MALFORMED: the text is not JSON');
    expect(verdictOf(`{"a"${' '.repeat(length)}:1}`)).to.equal('ok');
  });

  it('says of everything else that it is not JSON', () => {
    const wrong = [
      '',
      ' ',
      '{',
      '}',
      ']]',
      '{"a"}',
      '{"a":1,}',
      "{'a':1}",
      '{"\\x":1}',
      '"',
      '"\\',
      '{"a',
      '{"a":1}}',
      '\u{feff}{}',
      '[1]2',
      'NaN',
      '{"\u0001":1}',
    ];
    for (const text of wrong) expect(verdictOf(text), text).to.equal('MALFORMED: the text is not JSON');
  });
});
