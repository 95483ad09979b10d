import { expect } from 'chai';
import fc from 'fast-check';
import { compileRules } from '../../../policy/rules/rules.ts';
import { isExhausted, refill, spend, stepsUsed } from '../../../policy/rules/meter.ts';
import { compilePattern, type Matcher } from '../../../policy/rules/regex.ts';
import { outcomeOf, ruleInput } from './support/rule-input.ts';
import { runs } from '../../support/runs.ts';

const TOO_MUCH = 'it takes too much work for this token';
/** As many as fit into the longest token. */
const ONES = Array.from({ length: 12_000 }, () => 1);
const LONG = 24_000;
/** Budget of a single rule. */
const BUDGET = 101_000;

/** Neither `a` nor `b` for long; the same at each run. */
function scrambled(length: number): string {
  let state = 1;
  let out = '';
  for (let i = 0; i < length; i++) {
    state = (state * 48_271) % 2_147_483_647;
    out += state % 2 === 0 ? 'a' : 'b';
  }
  return out;
}

describe('policy/rules cost little whatever a token holds', () => {
  const a = 'a'.repeat(LONG);
  const CASES: readonly (readonly [expression: string, claims: Record<string, unknown>])[] = [
    ['claims.l.exists(x, claims.l.exists(y, x == y && false))', { l: ONES }],
    ['claims.l.all(x, x in claims.l)', { l: ONES }],
    ['claims.l.exists(x, claims.l == claims.m)', { l: ONES, m: [...ONES] }],
    ['claims.l.map(x, x + 1).map(x, x + 1).filter(x, x == 1).size() == 0', { l: ONES }],
    ['claims.l.exists(x, claims.l.map(y, y + x).size() == 1)', { l: ONES }],
    [`[claims.a]${'.map(x, x + x)'.repeat(30)}.size() == 1`, { a }],
    [`[claims.l]${'.map(x, x + x)'.repeat(20)}.size() == 1`, { l: ONES }],
    ['claims.l.exists(x, claims.a.lowerAscii() == "b")', { a, l: ONES }],
    ['claims.l.exists(x, claims.a.split("").size() == 1)', { a, l: ONES }],
    ['claims.l.exists(x, size(claims.a) == 1)', { a, l: ONES }],
    ['claims.l.exists(x, claims.a == claims.b)', { a, b: `${a}b`, l: ONES }],
    ['claims.l.exists(x, claims.a.contains(claims.b))', { a, b: `${a.slice(0, 9000)}b`, l: ONES }],
    ['claims.l.exists(x, claims.a.indexOf(claims.b) == 1)', { a, b: `${a.slice(0, 9000)}b`, l: ONES }],
    ['claims.l.exists(x, now.getHours("Europe/Berlin") == 99)', { l: ONES }],
    ['claims.l.exists(x, timestamp(x).getHours("Asia/Tokyo") == 99)', { l: ONES.map((_, i) => i * 1e5) }],
    ['claims.l.exists(x, string(timestamp(x)) == "a")', { l: ONES }],
    ['claims.a.matches("^(a|b)*a(a|b){14}c$")', { a: scrambled(LONG) }],
    ['claims.a.matches("(\\\\b|a|b){100}c")', { a: scrambled(LONG) }],
    ['claims.l.exists(x, x.matches("^(a|b)*a(a|b){10}c$"))', { l: scrambled(LONG).match(/.{15}/g) }],
    ['claims.l.exists(x, claims.a.matches("a$"))', { a: `${a}b`, l: ONES }],
  ];
  for (const [expression, claims] of CASES) {
    it(expression.length > 80 ? `${expression.slice(0, 80)}…` : expression, () => {
      expect(outcomeOf(expression, claims)).to.equal(TOO_MUCH);
      expect(isExhausted()).to.equal(true);
    });
    it(`also when the error is absorbed: ${expression.slice(0, 60)}`, () => {
      expect(outcomeOf(`${expression} || true`, claims)).to.equal(TOO_MUCH);
    });
  }

  it('and yet go through every list and text that a token can hold', () => {
    expect(outcomeOf('claims.l.exists(x, x == 2)', { l: ONES })).to.equal('does not hold');
    expect(outcomeOf('claims.l.all(x, x.foo == 1)', { l: ONES })).to.equal('x.foo is not there');
    expect(outcomeOf('claims.a.matches("b$")', { a: 'a'.repeat(LONG - 1) + 'b' })).to.equal('holds');
    const groups = Array.from({ length: 200 }, (_, i) => `group ${i}`);
    expect(
      outcomeOf('claims.g.filter(g, g in ["group 1", "group 199"]).size() == 2', { g: groups }),
    ).to.equal('holds');
  });

  it('however many rules there are', () => {
    const decide = (count: number): unknown => {
      const rules = Array.from({ length: count }, (_, i) => ({
        name: `rule ${i}`,
        effect: 'allow' as const,
        expression: i === count - 1 ? 'true' : 'claims.l.exists(x, x == 2)',
      }));
      return compileRules(rules).decide({ ...ruleInput(), claims: { l: ONES } });
    };
    expect(decide(2)).to.deep.equal({ allowed: true, rule: 'rule 1' });
    for (const count of [100, runs(10_000)]) {
      expect(decide(count)).to.include({ allowed: false, reason: 'RULE_FAILED', rule: 'rule 2' });
      // What the first three could not pay for, and then nothing but the count of parts.
      expect(stepsUsed()).to.be.below(300_000 + count * 13);
    }
  });

  it('leaves a hundred rules a thousand steps each, and more rules no more together', () => {
    for (const [count, budget] of [
      [1, 101_000],
      [100, 200_000],
      [10_000, 200_000],
    ] as const) {
      refill(count);
      spend(budget);
      expect(isExhausted(), `${count}`).to.equal(false);
      spend(1);
      expect(isExhausted(), `${count}`).to.equal(true);
    }
  });

  it('a decision costs the same whatever other claims are there', () => {
    const steps = (claims: Record<string, unknown>): number => {
      outcomeOf('claims.ref == "refs/heads/main"', { ...ruleInput().claims, ...claims });
      return stepsUsed();
    };
    expect(steps({ more: ONES, text: a })).to.equal(steps({}));
    expect(steps({})).to.be.below(20);
  });
});

describe('policy/rules/regex', () => {
  const matches = (pattern: string | Matcher, text: string): boolean => {
    refill(1);
    return (typeof pattern === 'string' ? compilePattern(pattern) : pattern).test(text);
  };

  it('takes time in proportion to the text for patterns that ruin a backtracking engine', () => {
    for (const pattern of ['(a+)+$', '^(a+)+$', '(a|aa)+$', '^(a|aa)+$', '(.*a){8}$', '(?:a*)*b']) {
      const matcher = compilePattern(pattern);
      const cost = (length: number): number => {
        expect(matches(matcher, `${'a'.repeat(length)}!`), pattern).to.equal(false);
        return stepsUsed();
      };
      const [one, two, four] = [cost(500), cost(1000), cost(2000)];
      expect(two / one, pattern).to.be.closeTo(2, 0.1);
      expect(four / two, pattern).to.be.closeTo(2, 0.1);
    }
    expect(matches('(a+)+$', `${'a'.repeat(LONG)}!`)).to.equal(false);
    expect(stepsUsed()).to.be.below(BUDGET);
  });

  it('keeps no more states than its bound, and works on after a text that wanted more', () => {
    const matcher = compilePattern('^(a|b)*a(a|b){12}$');
    for (let i = 0; i < 20; i++) {
      expect(() => matches(matcher, scrambled(4000 + i))).to.throw();
      expect(isExhausted()).to.equal(true);
      expect(matches(matcher, `a${'b'.repeat(12)}`)).to.equal(true);
      expect(matches(matcher, `b${'b'.repeat(12)}`)).to.equal(false);
    }
  });

  it('does not tire of many short texts', () => {
    const matcher = compilePattern('^(a|b)*a(a|b){9}$');
    for (let i = 0; i < 2000; i++) {
      const text = i.toString(2).padStart(11, '0').replaceAll('0', 'a').replaceAll('1', 'b');
      expect(matches(matcher, text)).to.equal(text.at(-10) === 'a');
    }
  });

  it("finds what JavaScript's own engine finds", () => {
    // The oracle gets a character of one code unit for 😀: V8 14 does not find `(?:[^a]$|a$)` in what takes two.
    const oneUnit = (s: string): string => s.replaceAll('😀', '\uE000');
    const atom = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '\\d', '\\w', '1', '\\.', 'é', '😀');
    const { pattern } = fc.letrec<{ pattern: string }>((tie) => ({
      pattern: fc.oneof(
        { maxDepth: 3 },
        atom,
        fc.tuple(tie('pattern'), tie('pattern')).map(([x, y]) => x + y),
        fc.tuple(tie('pattern'), tie('pattern')).map(([x, y]) => `(?:${x}|${y})`),
        fc
          .tuple(tie('pattern'), fc.constantFrom('*', '+', '?', '{2}', '{0,2}', '*?'))
          .map(([x, q]) => `(${x})${q}`),
        tie('pattern').map((x) => `^${x}`),
        tie('pattern').map((x) => `${x}$`),
        tie('pattern').map((x) => `\\b${x}`),
      ),
    }));
    const text = fc.array(fc.constantFrom('a', 'b', '1', '.', ' ', 'é', '😀', '\n'), { maxLength: 8 });
    fc.assert(
      fc.property(
        pattern,
        text.map((all) => all.join('')),
        (source, subject) => {
          const expected = new RegExp(oneUnit(source), 'u').test(oneUnit(subject));
          expect(matches(source, subject), source).to.equal(expected);
        },
      ),
      { numRuns: runs(3000) },
    );
  });
});
