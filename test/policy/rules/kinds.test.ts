import { expect } from 'chai';
import type { Claims } from '../../../oidc/core/claims.ts';
import { compileRules } from '../../../policy/rules/rules.ts';
import { outcomeOf, ruleInput } from './support/rule-input.ts';

const FAILS = /^values of different types are compared at line 1/;

/** What becomes of a rule that denies. */
function denial(expression: string, claims: Claims): string {
  const rules = compileRules([{ name: 'r', effect: 'deny', expression }]);
  const [outcome] = rules.trace({ ...ruleInput(), claims }).outcomes;
  return outcome?.failure?.reason ?? outcome?.outcome ?? 'nothing';
}

/** Comparisons of which only the kinds differ. */
const MIXED: readonly (readonly [expression: string, claims: Claims])[] = [
  ['claims.x == true', { x: 'true' }],
  ['claims.x != true', { x: 'true' }],
  ['!(claims.x == true)', { x: 'true' }],
  ['true == claims.x', { x: 1 }],
  ['claims.x == 5', { x: '5' }],
  ['claims.x == "5"', { x: 5 }],
  ['claims.x == "a"', { x: ['a'] }],
  ['claims.x == ["a"]', { x: 'a' }],
  ['claims.x == {"a": 1}', { x: ['a'] }],
  ['claims.x == [1]', { x: ['1'] }],
  ['claims.x == {"a": true}', { x: { a: 'true' } }],
  ['claims.x in [true, false]', { x: 'true' }],
  ['claims.x in ["1", "2"]', { x: 1 }],
  ['!(claims.x in ["1", "2"])', { x: 1 }],
  ['claims.x in claims.list', { x: 1, list: ['1'] }],
  ['claims.x in {"1": 1}', { x: 1 }],
  ['claims.list.exists(g, g == "banned")', { list: [1, 'fine'] }],
  ['claims.list.all(g, g != "banned")', { list: [1] }],
  ['claims.x == true || claims.x == false', { x: 'true' }],
  ['claims.x == true ? claims.nope : true', { x: 'true' }],
];

describe('policy/rules: values of different kinds', () => {
  for (const [expression, claims] of MIXED) {
    it(`fail a deny rule, and no allow rule holds: ${expression}`, () => {
      expect(denial(expression, claims)).to.match(FAILS);
      expect(outcomeOf(expression, claims)).to.equal('does not hold');
    });
  }

  it('refuse a request that a deny rule was meant for, whatever allows it', () => {
    const rules = compileRules([
      { name: 'everybody', effect: 'allow', expression: 'true' },
      { name: 'no-bots', effect: 'deny', expression: 'claims.is_bot == true' },
    ]);
    const decided = (is_bot: unknown): string => {
      const decision = rules.decide({ ...ruleInput(), claims: { is_bot } });
      return decision.allowed ? 'allowed' : `${decision.reason} ${String(decision.rule)}`;
    };
    expect(decided('true')).to.equal('RULE_FAILED no-bots');
    expect(decided('false')).to.equal('RULE_FAILED no-bots');
    expect(decided(true)).to.equal('RULE_DENIED no-bots');
    expect(decided(false)).to.equal('allowed');
  });

  it('leave other rules that allow as they are', () => {
    const rules = compileRules([
      { name: 'a', effect: 'allow', expression: 'claims.x == true' },
      { name: 'b', effect: 'allow', expression: 'claims.x == "true"' },
    ]);
    expect(rules.decide({ ...ruleInput(), claims: { x: 'true' } })).to.deep.equal({
      allowed: true,
      rule: 'b',
    });
    // What fails for another reason still fails.
    expect(outcomeOf('claims.x == true || claims.nope', { x: 'true' })).to.equal('claims.nope is not there');
  });

  const FINE: readonly (readonly [expression: string, claims: Claims, outcome: string])[] = [
    ['claims.x == null', { x: 'a' }, 'does not hold'],
    ['claims.x == "a"', { x: null }, 'does not hold'],
    ['claims.x != null', { x: 'a' }, 'holds'],
    ['claims.x in ["true", true]', { x: 'no' }, 'does not hold'],
    ['claims.x in ["true", true]', { x: true }, 'holds'],
    ['claims.x in []', { x: true }, 'does not hold'],
    ['claims.x == true || claims.x == "true"', { x: 'true' }, 'holds'],
    ['claims.x == "a" && false', { x: 1 }, 'does not hold'],
    ['type(claims.x) == string && claims.x == "a"', { x: 1 }, 'does not hold'],
    ['claims.x == 5.0 && claims.x == 5u', { x: 5 }, 'holds'],
    ['claims.x == [1, "b"]', { x: ['1', 'c'] }, 'does not hold'],
    ['claims.x == []', { x: ['1'] }, 'does not hold'],
    ['"x" in claims && !("y" in claims)', { x: 1 }, 'holds'],
    ['1 in {1: true} && !(2 in {1: true})', {}, 'holds'],
    ['claims.list.exists(g, g == "a")', { list: [1, 'a'] }, 'holds'],
  ];
  for (const [expression, claims, outcome] of FINE) {
    it(`are not compared by ${expression}`, () => {
      expect(denial(expression, claims)).to.equal(outcome);
      expect(outcomeOf(expression, claims)).to.equal(outcome);
    });
  }
});
