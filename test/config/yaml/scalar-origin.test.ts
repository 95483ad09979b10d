import { expect } from 'chai';
import fc from 'fast-check';
import { isScalar, parseDocument, stringify, type Scalar } from 'yaml';
import { scalarOrigin } from '../../../config/yaml/scalar-origin.ts';
import { runs } from '../../support/runs.ts';

/** The scalar that is the value of `k` in a YAML text, and its own text. */
function scalarIn(text: string): { readonly scalar: Scalar; readonly raw: string; readonly start: number } {
  const scalar = parseDocument(text).get('k', true);
  if (!isScalar(scalar) || !scalar.range) throw new Error(`no scalar in ${text}`);
  const [start, end] = scalar.range;
  return { scalar, raw: text.slice(start, end), start };
}

/** Offsets in `text` of the characters of the value. */
function originIn(text: string): readonly number[] | undefined {
  const { scalar, raw, start } = scalarIn(text);
  const origin = scalarOrigin(raw, scalar.type as Scalar.Type, String(scalar.value));
  return origin?.map((offset) => offset + start);
}

describe('config/yaml/scalar-origin', () => {
  const STYLES: readonly (readonly [name: string, text: string, word: string])[] = [
    ['a plain scalar', 'k: one two WORD', 'WORD'],
    ['a plain scalar of several lines', 'k: one\n  two\n\n  three WORD', 'WORD'],
    ['a plain scalar with Windows line ends', 'k: one\r\n  two WORD\r\n', 'WORD'],
    ['single quotes', "k: 'it''s a WORD'", 'WORD'],
    ['single quotes over several lines', "k: 'one\n\n  two ''\n  WORD'", 'WORD'],
    ['double quotes with escapes', String.raw`k: "\"a\" \x41 \u00e9 \U0001F600 \n WORD"`, 'WORD'],
    ['double quotes over several lines', 'k: "one \\\n   two\n  three WORD"', 'WORD'],
    ['a literal block', 'k: |\n  one\n    two\n\n  three WORD\n', 'WORD'],
    ['a literal block with an indicator', 'k: |2-\n    one\n   WORD\n', 'WORD'],
    ['a folded block', 'k: >-\n  one &&\n  two\n\n  three WORD\n', 'WORD'],
    ['a folded block below a comment', 'k: > # why\n\n  one\n  WORD\n', 'WORD'],
  ];
  for (const [name, text, word] of STYLES)
    it(`finds a word in ${name}`, () => {
      const value = String(scalarIn(text).scalar.value);
      expect(originIn(text)?.[value.indexOf(word)]).to.equal(text.indexOf(word));
    });

  it('says that it does not know rather than something wrong', () => {
    // Lines that are indented further keep their line ends.
    expect(originIn('k: >\n  one\n    two\n  three\n')).to.equal(undefined);
    expect(scalarOrigin('one two', 'PLAIN', 'another')).to.equal(undefined);
  });

  it('finds the very character, in whatever style a text is written', () => {
    const style = fc.constantFrom<Scalar.Type>(
      ...(['PLAIN', 'QUOTE_SINGLE', 'QUOTE_DOUBLE', 'BLOCK_LITERAL', 'BLOCK_FOLDED'] as const),
    );
    const word = fc.constantFrom('a', 'B', ' ', '\n', '"', "'", '\\', 'é', '&& ', '#', ': ', '\t');
    const content = fc.array(word, { minLength: 1, maxLength: 40 }).map((words) => words.join(''));
    fc.assert(
      fc.property(style, content, fc.integer({ min: 20, max: 60 }), (type, value, lineWidth) => {
        const text = stringify({ k: value }, { defaultStringType: type, lineWidth, blockQuote: true });
        const found = originIn(text);
        found?.forEach((offset, index) => {
          const [wanted, seen] = [value.charAt(index), text.charAt(offset)];
          // What stands for itself is found; line ends, folds and escapes have a place of their own kind.
          if (/[aBé&]/.test(wanted)) expect(seen, JSON.stringify([text, index])).to.equal(wanted);
        });
      }),
      { numRuns: runs(500) },
    );
  });

  it('never throws, whatever it is given', () => {
    const style = fc.constantFrom<Scalar.Type>(
      'PLAIN',
      'QUOTE_SINGLE',
      'QUOTE_DOUBLE',
      'BLOCK_LITERAL',
      'BLOCK_FOLDED',
    );
    const raw = fc.oneof(
      fc.string(),
      fc.string({ unit: fc.constantFrom('\\', '"', "'", '\n', ' ', 'x', 'U', '0', '>') }),
    );
    fc.assert(
      fc.property(raw, style, fc.string(), (text, type, value) => void scalarOrigin(text, type, value)),
    );
  });
});
