import { expect } from 'chai';
import { compilePredicateRule } from '../../../policy/rules/predicate-rule.ts';

const PREDICATE = {
  builder: { id: 'https://builder.example' },
  materials: [{ uri: 'git+https://example.com/a' }, { uri: 'git+https://example.com/b' }],
  count: 3,
  huge: 2 ** 60,
};
const outcomeOf = (expression: string, predicate: unknown = PREDICATE): boolean | string => {
  const outcome = compilePredicateRule(expression)({ predicateType: 'https://example.com/p', predicate });
  return typeof outcome === 'boolean' ? outcome : outcome.reason;
};

describe('predicate rules', () => {
  it('hold or do not hold, over what an attestation says', () => {
    expect(outcomeOf('predicate.builder.id == "https://builder.example" && predicate.count >= 3')).to.equal(
      true,
    );
    expect(outcomeOf('predicateType == "https://example.com/p"')).to.equal(true);
    expect(outcomeOf('predicate.materials.all(m, m.uri.startsWith("git+https://example.com/"))')).to.equal(
      true,
    );
    expect(outcomeOf('predicate.materials.exists(m, m.uri.endsWith("/c"))')).to.equal(false);
    expect(outcomeOf('has(predicate.nothing)')).to.equal(false);
    expect(outcomeOf('predicate == "text"', 'text')).to.equal(true);
    expect(outcomeOf('predicate == null', null)).to.equal(true);
  });

  it('say why it could not be found out, and never throw', () => {
    expect(outcomeOf('predicate.nothing == 1')).to.match(/nothing/);
    expect(outcomeOf('predicate.huge == 1')).to.be.a('string');
    expect(outcomeOf('predicate.count == "3"')).to.match(/different types/);
    expect(outcomeOf('predicate.a == 1', [])).to.be.a('string');
    const long = Array.from({ length: 1000 }, () => 'x'.repeat(1000));
    expect(outcomeOf('predicate.all(a, predicate.all(b, a == b))', long)).to.match(/cost|much|long/);
  });

  it('are refused when they cannot be conditions', () => {
    const rows: readonly [string, RegExp][] = [
      ['predicate.', /rule "policy", line 1/],
      ['"text"', /not a bool/],
      ['claims.sub == "x"', /claims/],
      ['1 == 1 &&', /breaks off/],
    ];
    for (const [text, sentence] of rows) expect(() => compilePredicateRule(text)).to.throw(sentence);
    expect(() => compilePredicateRule('predicates == 1'))
      .to.throw()
      .with.property('hint')
      .that.matches(/^The variables are predicate, predicateType\.$|predicate/);
  });
});
