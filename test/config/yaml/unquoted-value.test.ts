import { expect } from 'chai';
import { ConfigError } from '../../../config/findings/config-error.ts';
import { parseConfig } from '../../../config/load/load.ts';
import { PRESETS } from '../../../config/presets/all.ts';
import { issuer, problemsOf } from '../support/mistakes.ts';

/** Conditions that somebody writes behind `allow:` as they stand. */
const CONDITIONS: readonly string[] = [
  ...['!has(claims.a)', '!has(claims.a) || claims.a == "b"', '!has(claims.a) && claims.sub == "b"'],
  ...[
    '!claims.a && claims.sub == "b"',
    '! has(claims.a)',
    '!!has(claims.a)',
    '!claims.ref.startsWith("refs/pull/")',
  ],
  ...[
    '!("a" in claims)',
    '!(claims.a == "b")',
    '!has(claims.a) ? true : claims.a == "b"',
    '!has(claims.a) and true',
  ],
  ...[
    '!claims.groups.exists(g, g == "a") && claims.a == "b"',
    '!(key.type in ["P-256"]) || key.provenBy == "csr"',
  ],
  ...['"a" in claims.groups', "'a' == claims.a", '"a" == claims.a && claims.b == "c"', '"a" in claims'],
  ...['["a", "b"].exists(x, x == claims.a)', '{"a": 1}.a == 1', '(claims.a == "b")', '-claims.n > 3'],
  ...[
    'claims.a == "b: c"',
    'has(claims.a) ? claims.a == "b" : false',
    'claims.a == "b #c"',
    'claims.a == "b"',
  ],
  ...['{"a": true}[claims.a]', '[claims.a, claims.b] == ["c", "d"]', 'claims.a.matches(r"^\\d+$")'],
];

const written = (condition: string): string =>
  issuer(
    `\n    client-id: x\n    type: email\n    mayfly:\n      rules:\n        - name: a\n          allow: ${condition}`,
  );

/** The rule of a file; undefined when the file is refused. */
function loaded(text: string): string | undefined {
  try {
    return parseConfig(text).issuers[0]?.policy.rules[0]?.expression;
  } catch (error) {
    expect(error).to.be.instanceOf(ConfigError);
    return undefined;
  }
}

describe('config: conditions without quotes', () => {
  const all = [...CONDITIONS, ...PRESETS.flatMap(({ rules }) => rules.map(({ expression }) => expression))];
  for (const condition of all.filter((text) => !/ and |%/.test(text)))
    it(`takes it as it is written, or says how to write it: ${condition}`, () => {
      const expression = loaded(written(condition));
      if (expression !== undefined) {
        expect(expression).to.equal(condition);
        return;
      }
      const problems = problemsOf(written(condition));
      expect(problems).to.have.length(1);
      // A comment cuts the text off, and what is left does not show it.
      if (condition.includes(' #')) expect(problems[0]?.hint).to.include('in single quotes');
      else
        expect(loaded(written(/allow: (.*)$/.exec(problems[0]?.hint ?? '')?.[1] ?? ''))).to.equal(condition);
    });

  it('never loses a sign in silence, wherever the condition stands', () => {
    for (const place of [
      '{name: a, deny: !claims.ok}',
      '{name: a, deny: !has(claims.a) && claims.b == "c"}',
      '{name: a, deny: ! claims.ok}',
      '\n          name: a\n          deny:\n            !has(claims.a) && claims.b == "c"',
    ]) {
      const text = issuer(
        `\n    client-id: x\n    type: email\n    mayfly:\n      rules:\n        - ${place}`,
      );
      const problems = problemsOf(text);
      expect(problems.map(({ message }) => message).join(), place).to.match(/tag/);
      expect(problems[0]?.hint).to.match(/in single quotes/);
    }
  });

  it('leaves other values to the parser, and blocks of lines as they are', () => {
    expect(problemsOf('a: b: c')[0]?.message).to.match(/^Nested mappings/);
    expect(problemsOf('oidc-issuers: [\n')[0]?.message).to.match(/^Flow sequence/);
    expect(problemsOf('mayfly: {public-url: @x}')[0]?.message).to.match(/reserved character @/);
    expect(problemsOf('contact: @x')[0]?.hint).to.equal("Put it in single quotes: contact: '@x'");
    expect(loaded(written('>-\n            !has(claims.a) &&\n            claims.b == "c: d"'))).to.equal(
      '!has(claims.a) && claims.b == "c: d"',
    );
  });

  it('says what quotes are', () => {
    for (const condition of ['claims.a == “b”', 'claims.a == ‘b’', 'claims.a == „b“'])
      expect(problemsOf(written(condition))[0]?.message).to.match(/^".+" is no quote of CEL$/);
  });
});
