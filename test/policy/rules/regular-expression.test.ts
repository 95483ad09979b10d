import { expect } from 'chai';
import { compileRegularExpression, PatternFault } from '../../../policy/rules/regular-expression.ts';

describe('policy/rules/regular-expression', () => {
  const isAll = (pattern: string, text: string): boolean | undefined =>
    compileRegularExpression(pattern).isAllOf(text);
  const isFound = (pattern: string, text: string): boolean | undefined =>
    compileRegularExpression(pattern).isFoundIn(text);

  it('covers a text from its first to its last character, or not', () => {
    const address = 'alice@example.com';
    for (const pattern of [
      ...['alice@example\\.com', '.*@example\\.com', 'bob@.*|alice@.*', '[a-z]+@example\\.(com|org)'],
      ...['^alice@example\\.com$', '(?i)ALICE@example\\.com', '^.*', 'alice@.*$'],
    ])
      expect(isAll(pattern, address), pattern).to.equal(true);
    for (const pattern of [
      'alice',
      '@example\\.com',
      'alice@example\\.co',
      'x|alice',
      'alice|bob',
      '',
      '^alice',
    ])
      expect(isAll(pattern, address), pattern).to.equal(false);
    expect(isAll('a', 'a\n')).to.equal(false);
    expect(isAll('a.b', 'a\nb')).to.equal(false);
    expect(isAll('(?m)^a$', 'a\nb')).to.equal(false);
    expect(isAll('a|ab', 'ab')).to.equal(true);
    expect(isAll('😀.', '😀😀')).to.equal(true);
  });

  it('finds a part of a text, only at its start where the pattern says so', () => {
    expect(isFound('b+', 'abbc')).to.equal(true);
    expect(isFound('^b+', 'abbc')).to.equal(false);
    expect(isFound('^a|c', 'xc')).to.equal(true);
    expect(isFound('^(a|c)', 'xc')).to.equal(false);
    expect(isFound('c$', 'abbc')).to.equal(true);
  });

  it('takes a quotation without an end as RE2 does: up to the end of the pattern', () => {
    for (const start of ['', '^', '\\A']) {
      expect(isFound(`${start}\\Qa.b`, 'a.bc'), start).to.equal(true);
      expect(isFound(`${start}\\Qa.b`, 'axbc'), start).to.equal(false);
      expect(isFound(`${start}\\Qa)|(b`, 'a)|(b'), start).to.equal(true);
      expect(isFound(`${start}\\Qa\\`, 'a\\'), start).to.equal(true);
      expect(isFound(`${start}\\Q`, 'anything'), start).to.equal(true);
      expect(isFound(`${start}\\Qa.b\\E+`, 'a.bbb'), start).to.equal(true);
      expect(isFound(`${start}\\Qa\\E\\Qb`, 'abc'), start).to.equal(true);
    }
    expect(isAll('\\Qa.b', 'a.b')).to.equal(true);
    expect(isAll('\\Qa.b', 'a.bc')).to.equal(false);
  });

  it('refuses what is no pattern of RE2, also what would break out of brackets around it', () => {
    for (const pattern of ['(', 'a)|(b', '[', '*', '\\', '\\E', '(?=a)', '(a)\\1', 'a'.repeat(1001)])
      expect(() => compileRegularExpression(pattern), pattern).to.throw(PatternFault);
  });

  it('says that it does not know rather than simulate an automaton without bound', () => {
    // The same at each run, and without any pattern that an automaton could use.
    let state = 1;
    const bits = Array.from({ length: 24_000 }, () => (state = (state * 48_271) % 2_147_483_647) % 2);
    const text = bits.join('');
    const costly = compileRegularExpression('(0|1)*1(0|1){14}x');
    expect(costly.isAllOf(text)).to.equal(undefined);
    expect(costly.isAllOf('100000000000000x')).to.equal(true);
  });
});
