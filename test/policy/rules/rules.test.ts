import { expect } from 'chai';
import fc from 'fast-check';
import type { RuleDefinition } from '../../../policy/rules/rule-definition.ts';
import { PolicyError, ruleRefusal, rulesRequired } from '../../../policy/core/policy-error.ts';
import { RuleError } from '../../../policy/rules/rule-error.ts';
import { compileRule, compileRules } from '../../../policy/rules/rules.ts';
import { ruleWarnings } from '../../../policy/rules/warnings.ts';
import { outcomeOf, ruleInput } from './support/rule-input.ts';
import { runs } from '../../support/runs.ts';

const allow = (name: string, expression: string, message?: string): RuleDefinition => ({
  name,
  effect: 'allow',
  expression,
  message,
});
const deny = (name: string, expression: string, message?: string): RuleDefinition => ({
  ...allow(name, expression, message),
  effect: 'deny',
});

describe('policy/rules', () => {
  describe('decides', () => {
    const decide = (...rules: RuleDefinition[]): unknown => compileRules(rules).decide(ruleInput());

    it('for everybody when there is no rule', () => {
      expect(decide()).to.deep.equal({ allowed: true });
    });

    it('by the allow rule that holds', () => {
      expect(decide(allow('a', 'false'), allow('b', 'claims.ref == "refs/heads/main"'))).to.deep.equal({
        allowed: true,
        rule: 'b',
      });
    });

    it('for everybody whom no deny rule names when nothing allows', () => {
      expect(decide(deny('a', 'claims.event_name == "pull_request"'))).to.deep.equal({
        allowed: true,
        rule: undefined,
      });
    });

    it('against whom a deny rule names, whatever allows', () => {
      for (const order of [1, -1]) {
        const rules = [allow('a', 'true'), deny('d', 'true')];
        expect(decide(...(order === 1 ? rules : rules.reverse()))).to.deep.include({
          allowed: false,
          reason: 'RULE_DENIED',
          rule: 'd',
          message: 'the rule "d" refuses this request',
        });
      }
    });

    it('against whom none of the allow rules admits', () => {
      expect(decide(allow('a', 'false'), allow('b', 'false'))).to.deep.include({
        allowed: false,
        reason: 'NO_RULE_ALLOWS',
        message: 'no rule allows this request: not "a", "b"',
      });
      const many = Array.from({ length: 1000 }, (_, i) => allow(`rule ${i}`, 'false'));
      expect(decide(...many)).to.deep.include({
        message:
          'no rule allows this request: not "rule 0", "rule 1", "rule 2", "rule 3", "rule 4" or 995 more',
      });
    });

    it('with the words of the rule where it has some', () => {
      const own = { hint: undefined };
      expect(decide(deny('d', 'true', 'Merge first.'))).to.deep.include({ ...own, message: 'Merge first.' });
      expect(decide(allow('a', 'false', 'Only main.'))).to.deep.include({ ...own, message: 'Only main.' });
    });

    it('with advice where nobody has written words', () => {
      for (const rules of [
        [deny('d', 'true')],
        [allow('a', 'false')],
        [allow('a', 'false'), allow('b', 'false')],
      ])
        expect(decide(...rules))
          .to.have.property('hint')
          .that.includes('he operator of this service');
    });

    it('against everybody when a rule cannot be decided, in whatever order and whatever else allows', () => {
      const broken = 'claims.environment == "production"';
      for (const rules of [
        [allow('a', 'true'), allow('e', broken)],
        [allow('e', broken), allow('a', 'true')],
        [deny('e', broken), allow('a', 'true')],
        [deny('e', broken)],
      ]) {
        expect(decide(...rules)).to.deep.equal({
          allowed: false,
          reason: 'RULE_FAILED',
          rule: 'e',
          message: 'the rule "e" cannot be decided: claims.environment is not there',
          hint: 'Ask first whether it is: has(claims.environment) && …',
        });
      }
    });

    it('against everybody when a deny rule compares values of different types, and not when an allow rule does', () => {
      const mismatch = 'claims.repository_owner_id == 123';
      expect(decide(deny('d', mismatch))).to.deep.include({ reason: 'RULE_FAILED', rule: 'd' });
      expect(decide(allow('a', 'true'), deny('d', mismatch))).to.deep.include({ reason: 'RULE_FAILED' });
      expect(decide(allow('a', mismatch))).to.deep.include({ reason: 'NO_RULE_ALLOWS', rule: 'a' });
      expect(decide(allow('a', mismatch), allow('b', 'true'))).to.deep.equal({ allowed: true, rule: 'b' });
    });

    it('by a deny rule rather than by one that fails', () => {
      expect(decide(allow('e', 'claims.nope == 1'), deny('d', 'true'))).to.deep.include({
        reason: 'RULE_DENIED',
        rule: 'd',
      });
    });

    it('the same with a trace, which shows every rule', () => {
      const rules = compileRules([allow('a', 'true'), deny('d', 'false'), deny('e', 'claims.nope == 1')]);
      const { outcomes, decision } = rules.trace(ruleInput());
      expect(decision).to.deep.equal(rules.decide(ruleInput()));
      expect(outcomes.map(({ rule, effect, outcome }) => [rule, effect, outcome])).to.deep.equal([
        ['a', 'allow', 'holds'],
        ['d', 'deny', 'does not hold'],
        ['e', 'deny', 'failed'],
      ]);
      expect(outcomes[2]?.failure?.reason).to.equal('claims.nope is not there');
    });

    it('by an expression that is compiled once, however many ask for it', () => {
      let reads = 0;
      const rule: RuleDefinition = {
        ...allow('a', ''),
        get expression() {
          reads++;
          return 'claims.ref == "refs/heads/main"';
        },
      };
      // The check of the configuration, its warnings, and the policies of two configurations that have it.
      expect(compileRule(rule).steps).to.be.greaterThan(0);
      expect(ruleWarnings(rule, { url: 'https://a.example', isMeta: false, type: 'email' })).to.deep.equal(
        [],
      );
      for (const rules of [compileRules([rule]), compileRules([rule])])
        expect(rules.decide(ruleInput())).to.deep.equal({ allowed: true, rule: 'a' });
      expect(reads).to.equal(1);
    });

    it('and returns as an error what it decided', () => {
      const decision = compileRules([deny('d', 'true', 'Merge first.')]).decide(ruleInput());
      if (decision.allowed) throw new Error('it was allowed');
      const error = ruleRefusal(decision, 'github');
      expect(error).to.be.instanceOf(PolicyError);
      expect(error.message).to.equal('Merge first.');
      expect(error.metadata).to.deep.equal({ entry: 'github', rule: 'd' });
      expect(rulesRequired('github').code).to.equal('RULES_REQUIRED');
      expect(compileRules([deny('d', 'true')]).hasAllow).to.equal(false);
      expect(compileRules([allow('a', 'true')]).hasAllow).to.equal(true);
    });
  });

  describe('sees', () => {
    const HOLD = [
      'claims.run_attempt == 5',
      'claims.run_attempt == 5.0',
      'claims.run_attempt + 1 == 6',
      'claims.share > 1 && claims.share < 2',
      'claims.big == 1e300',
      'int(claims.run_number) > 6',
      'claims.nothing == null && has(claims.nothing) && "nothing" in claims',
      '!has(claims.environment) && !("environment" in claims)',
      '"b" in claims.groups && size(claims.groups) == 3 && claims.groups[0] == "a"',
      'claims.groups.exists(g, g == "b") && !claims.groups.all(g, g == "b")',
      'claims.groups.exists_one(g, g == "b")',
      'claims.groups.filter(g, g != "a") == ["b", "c"]',
      'claims.groups.map(g, g + "!") == ["a!", "b!", "c!"]',
      'claims.groups.map(g, g != "a", g + "!").size() == 2',
      'claims.all(name, name != "")',
      'claims.deep.list[1].name == "x"',
      'claims.deep == {"list": [1, {"name": "x"}]}',
      'type(claims.groups) == list && type(claims.share) == double',
      'claims.sub.startsWith("repo:") && claims.sub.endsWith("main") && claims.sub.contains("octo")',
      'claims.sub.split(":")[1] == "octo-org/octo-repo"',
      '"ABC".lowerAscii() == "abc" && " a ".trim() == "a" && ["a", "b"].join("-") == "a-b"',
      'claims.ref.matches("^refs/heads/(main|release-[0-9]+)$") && matches(claims.ref, "main")',
      'issuer == "https://issuer.example" && principal.issuer == "https://other.example"',
      'principal.san == "https://github.com/octo" && principal.sanType == "uri"',
      'principal.subject == claims.sub',
      'principal.extensions.SourceRepositoryURI == "https://github.com/octo-org/octo-repo"',
      'principal.extensions["IssuerV2"] == "https://other.example"',
      '!has(principal.extensions.DeploymentEnvironment)',
      'key.type == "P-256" && key.provenBy == "challenge"',
      'now == timestamp("2026-11-22T10:00:00.250Z")',
      'now - timestamp(claims.iat) < duration("5m") && timestamp(claims.iat) == timestamp("2026-11-22T09:59:00Z")',
      'now.getFullYear() == 2026 && now.getMonth() == 10 && now.getDate() == 22 && now.getDayOfMonth() == 21',
      'now.getDayOfWeek() == 0 && now.getDayOfYear() == 325 && now.getHours() == 10 && now.getMilliseconds() == 250',
      'now.getHours("Europe/Berlin") == 11 && now.getHours("-11:30") == 22 && now.getDate("-11:30") == 21',
      'now.getMinutes("Asia/Kolkata") == 30 && now.getSeconds("UTC") == 0',
      'timestamp("2026-07-01T00:30:00Z").getDate("America/New_York") == 30',
      'timestamp(double(claims.iat) + 0.5) == timestamp("2026-11-22T09:59:00.500Z")',
      'timestamp("0001-01-01T00:00:00Z").getFullYear() == 1',
      'claims.environment == "x" || claims.ref == "refs/heads/main"',
      'true ? claims.ref != "x" : false',
    ];
    for (const expression of HOLD) {
      it(expression, () => {
        expect(outcomeOf(expression)).to.equal('holds');
      });
    }

    it('names that mean something in JavaScript as names like any other', () => {
      const claims = JSON.parse(
        '{"__proto__": {"x": 1}, "constructor": "c", "hasOwnProperty": 1, "toString": "t", "n": {"__proto__": "p"}}',
      ) as Record<string, unknown>;
      const expression =
        'claims.__proto__.x == 1 && claims.constructor == "c" && claims.toString == "t" && claims.n.__proto__ == "p"';
      expect(outcomeOf(expression, claims)).to.equal('holds');
      for (const name of ['__proto__', 'constructor', 'hasOwnProperty', 'toString', 'valueOf']) {
        expect(outcomeOf(`has(claims.${name}) || "${name}" in claims`, {}), name).to.equal('does not hold');
        expect(outcomeOf(`claims.${name} != "x"`, {}), name).to.equal(`claims.${name} is not there`);
      }
    });

    it('the end of a text at "$", not the end of a line', () => {
      const pattern = 'claims.ref.matches("^refs/heads/main$")';
      expect(outcomeOf(pattern, { ref: 'refs/heads/main' })).to.equal('holds');
      for (const ref of [
        'refs/heads/main\n',
        'refs/heads/main\nx',
        'x\nrefs/heads/main',
        'refs/heads/mainx',
      ]) {
        expect(outcomeOf(pattern, { ref }), JSON.stringify(ref)).to.equal('does not hold');
      }
    });
  });

  describe('says why it cannot decide', () => {
    const FAIL: readonly (readonly [expression: string, reason: RegExp])[] = [
      ['claims.environment == "x"', /^claims\.environment is not there$/],
      ['claims["deployment env"] == "x"', /^claims\["deployment env"\] is not there$/],
      ['claims.deep["more"].of.it == 1', /^claims\.deep\["more"\] is not there$/],
      ['claims.deep.more["of"] == 1', /^claims\.deep\.more is not there$/],
      ['claims[claims.ref] == 1', /^there is no entry of that name at line 1, column 1$/],
      ['claims.groups[7] == "x"', /^there is no such element/],
      ['claims.ref > 5', /^the values at line 1, column 12 are not of the types/],
      ['claims.ref.startsWith(claims.run_attempt)', /are not of the types/],
      ['claims.ref', /^it is neither true nor false$/],
      ['int(claims.ref) == 5', /^it fails at line 1, column 1$/],
      ['claims.run_attempt / 0 == 1', /^it fails/],
      ['timestamp(claims.ref) < now', /^it fails/],
      ['claims.ref && true', /^it fails/],
    ];
    for (const [expression, reason] of FAIL) {
      it(expression, () => {
        expect(outcomeOf(expression)).to.match(reason);
      });
    }

    it('of a number whose last digits nobody knows, for two ids may have become one', () => {
      const tooLarge = /^it looks at a number that is too large/;
      for (const id of [
        '9007199254740993',
        '-9007199254740993',
        '18446744073709551615',
        '999999999999999900000',
      ]) {
        const claims = JSON.parse(`{"id": ${id}, "ids": [${id}], "inner": {"id": ${id}}}`) as Record<
          string,
          unknown
        >;
        for (const expression of [
          `claims.id == ${id}.0`,
          'claims.id != 9007199254740992',
          'string(claims.id) == "9007199254740992"',
          'claims.ids.exists(id, id == 1)',
          '1 in claims.ids',
          'claims.inner.id > 5',
          'claims.inner == {"id": 1}',
          'claims.id == 1 || true',
        ])
          expect(outcomeOf(expression, claims), `${expression} of ${id}`).to.match(tooLarge);
        expect(outcomeOf('has(claims.id) && "id" in claims && size(claims.ids) == 1', claims)).to.equal(
          'holds',
        );
      }
      expect(outcomeOf('claims.id == 9007199254740991', { id: Number.MAX_SAFE_INTEGER })).to.equal('holds');
      expect(outcomeOf('claims.id > 1e20', { id: 1e21 })).to.equal('holds');
    });

    it('without a word of the token', () => {
      const secret = 'keep-this-quiet';
      const claims = { ...ruleInput().claims, secret, list: [secret], map: { [secret]: secret } };
      for (const expression of [
        'int(claims.secret) == 1',
        'bool(claims.secret)',
        'timestamp(claims.secret) < now',
        'duration(claims.secret) < duration("1s")',
        'double(claims.secret) < 1.0',
        'claims.map[claims.list[0]].x == 1',
        'claims[claims.secret] == 1',
        '{claims.secret: 1, claims.list[0]: 2}.size() == 1',
        'claims.secret < 1',
        'claims.secret',
      ]) {
        const rules = compileRules([allow('r', expression)]);
        const decision = rules.decide({ ...ruleInput(), claims });
        expect(decision, expression).to.deep.include({ reason: 'RULE_FAILED' });
        expect(JSON.stringify([decision, rules.trace({ ...ruleInput(), claims })])).not.to.contain(secret);
      }
    });
  });

  it('is not disturbed by whatever a token claims', () => {
    const rules = compileRules([
      deny('a', 'claims.a == claims.b || claims.a.exists(x, x == claims.c)'),
      deny('b', 'claims.a.matches("^(a|b)+$") || claims.b.startsWith("x") || int(claims.c) > 5'),
      deny('c', 'size(claims) > 3 && claims.all(k, claims[k] != now)'),
      allow('d', 'has(claims.a.b.c) && string(claims.a.b.c) in claims'),
      allow('e', '[claims.a, claims.b].map(x, [x] + [x]).filter(x, x[0] == x[1]).size() == 2'),
    ]);
    const names = fc.constantFrom('a', 'b', 'c', '__proto__', 'x');
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom(null, true, 0, -0, 1.5, 1e308, 2 ** 60, '', 'a', 'ab', '5'),
        fc.string({ unit: 'binary' }),
        fc.array(tie('value')),
        fc.dictionary(names, tie('value')),
      ),
    }));
    fc.assert(
      fc.property(fc.dictionary(names, value), (made) => {
        const claims = JSON.parse(JSON.stringify(made)) as Record<string, unknown>;
        expect(rules.decide({ ...ruleInput(), claims }).allowed).to.be.a('boolean');
      }),
      { numRuns: runs(1000) },
    );
  });

  it('takes any text for an expression, or says why not', () => {
    const word = fc.constantFrom(
      ...[
        'claims',
        'principal',
        'now',
        'key',
        '.a',
        '.b',
        '==',
        '!=',
        '<',
        '&&',
        '||',
        '!',
        '-',
        '+',
        '?',
        ':',
      ],
      ...[
        '(',
        ')',
        '[',
        ']',
        '{',
        '}',
        ',',
        '"a"',
        "'b'",
        'r"\\d"',
        '"""',
        '"',
        '\\',
        '//',
        '\n',
        ' ',
        '1',
        '2u',
        '1.5',
      ],
      ...[
        'true',
        'null',
        'has(',
        '.exists(',
        '.map(',
        'x',
        'x,',
        'in',
        'matches(',
        'size(',
        '.matches("("',
        '@',
        'é',
        '😀',
      ],
      ...[
        'duration("1h")',
        'timestamp("',
        'type(',
        'dyn(',
        'b"x"',
        '__proto__',
        'constructor',
        '.getHours("',
      ],
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(word, { maxLength: 24 }).map((all) => all.join('')),
    );
    fc.assert(
      fc.property(text, (expression) => {
        try {
          compileRules([deny('r', expression)]).decide(ruleInput());
        } catch (error) {
          expect(error, expression).to.be.instanceOf(RuleError);
        }
      }),
      { numRuns: runs(3000) },
    );
  });
});
