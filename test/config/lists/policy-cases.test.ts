import { expect } from 'chai';
import fc from 'fast-check';
import { ConfigError } from '../../../config/findings/config-error.ts';
import { parseConfig } from '../../../config/load/load.ts';
import { readPolicyCases } from '../../../config/lists/policy-cases.ts';
import { DEFAULT_SIGNING_ALGORITHMS } from '../../../ca/signing-algorithms.ts';
import { Explainer } from '../../../explain/explain.ts';
import { differencesFrom, type ExpectationDifference } from '../../../explain/expectation.ts';

const CONFIG = `
oidc-issuers:
  https://login.acme.example:
    client-id: ca.acme.example
    type: email
    mayfly:
      name: people
      lifetime: 5
      rules:
        - {name: our-domain, allow: claims.email.endsWith("@acme.example")}
        - {name: not-eve, deny: claims.sub == "eve"}
        - {name: not-at-night, deny: now.getHours() < 6}
`;

const SUE = `{iss: https://login.acme.example, aud: ca.acme.example, sub: sue, email: sue@acme.example, email_verified: true}`;

/** One case of Sue at noon, who is expected to get what `expected` says. */
const cases = (expected: string, more = ''): string =>
  `config: config.yaml\nat: 2026-11-22T12:00:00Z\ncases:\n  - name: sue\n    claims: ${SUE}\n    expect: ${expected}\n${more}`;

/** Where the first case of a file is not as expected. */
async function differencesOf(text: string): Promise<ExpectationDifference[]> {
  const [first] = readPolicyCases(text, '-').cases;
  const { claims, keyType, at, expected } = first ?? expect.fail();
  const { issuers } = parseConfig(CONFIG);
  const explainer = new Explainer({ issuers, permittedAlgorithms: DEFAULT_SIGNING_ALGORITHMS });
  const evidence = { kind: 'claims', json: JSON.stringify(claims) } as const;
  return differencesFrom(expected, await explainer.explain({ evidence, keyType, at: at ?? expect.fail() }));
}

const textOf = (differences: readonly ExpectationDifference[]): string =>
  differences
    .map(({ what, expected, found }) => `${what}\n expected ${expected}\n found ${found}`)
    .join('\n');

describe('config/lists/policy-cases', () => {
  const met: readonly (readonly [what: string, expected: string])[] = [
    ['that it is issued', 'issued'],
    [
      'the rule, the entry, the name and the lifetime',
      '{issued: {rule: our-domain, entry: people, san: sue@acme.example, lifetime: 5}}',
    ],
    [
      'an extension by name, in either spelling, or number',
      '{issued: {extensions: {TokenSubject: sue, issuer-v2: https://login.acme.example, 1: https://login.acme.example}}}',
    ],
    ['that an extension is not there', '{issued: {extensions: {BuildSignerURI: }}}'],
    [
      'all extensions',
      '{issued: {exact-extensions: {1: https://login.acme.example, 8: https://login.acme.example, 24: sue}}}',
    ],
  ];
  for (const [what, expected] of met) {
    it(`expects what is there: ${what}`, async () => {
      expect(await differencesOf(cases(expected))).to.deep.equal([]);
    });
  }

  const unmet: readonly (readonly [what: string, expected: string, says: RegExp])[] = [
    ['a refusal', 'refused', /outcome\n +expected +refused\n +found +issued, by the rule "our-domain"/],
    ['another rule', '{issued: {rule: other}}', /rule\n +expected +other\n +found +our-domain/],
    ['another entry', '{issued: {entry: other}}', /entry\n +expected +other\n +found +people/],
    [
      'another name',
      '{issued: {san: eve@acme.example}}',
      /name\n +expected +eve@acme\.example\n +found +sue@acme\.example/,
    ],
    ['another lifetime', '{issued: {lifetime: 10}}', /lifetime\n +expected +10 min\n +found +5 min/],
    [
      'another value',
      '{issued: {extensions: {24: eve}}}',
      /extension 24 TokenSubject\n +expected +eve\n +found +sue/,
    ],
    [
      'an extension that is not there',
      '{issued: {extensions: {BuildSignerURI: x}}}',
      /extension 9 BuildSignerURI\n +expected +x\n +found +none/,
    ],
    [
      'no extension where there is one',
      '{issued: {extensions: {24: }}}',
      /extension 24 TokenSubject\n +expected +none\n +found +sue/,
    ],
    [
      'fewer extensions',
      '{issued: {exact-extensions: {24: sue}}}',
      /extension 1 Issuer\n +expected +none\n +found +https/,
    ],
  ];
  for (const [what, expected, says] of unmet) {
    it(`expects what is not there: ${what}`, async () => {
      expect(textOf(await differencesOf(cases(expected)))).to.match(says);
    });
  }

  const wrong: readonly (readonly [what: string, text: string, says: RegExp])[] = [
    [
      'a misspelt key',
      'config: config.yaml\ncases:\n  - name: a\n    clams: {}\n    expect: issued\n',
      /-:4:5: .*unknown key "clams"\n *Did you mean "claims"\?/,
    ],
    ['no cases', 'config: config.yaml\ncases: []\n', /-:2:\d+: cases: must hold at least one case/],
    [
      'no claims',
      'config: config.yaml\ncases:\n  - {name: a, expect: issued}\n',
      /-:3:5: cases\.0: has no claims/,
    ],
    ['two outcomes', cases('{issued: {}, refused: {}}'), /-:6:\d+: cases\.0\.expect: must say either/],
    ['an unknown outcome', cases('isued'), /-:6:\d+: cases\.0\.expect: .*issued/],
    [
      'an unknown extension',
      cases('{issued: {extensions: {TokenSubjekt: a}}}'),
      /-:6:\d+: .*is no extension of Fulcio\n *Did you mean "TokenSubject"/,
    ],
    [
      'both kinds of extensions',
      cases('{issued: {extensions: {1: a}, exact-extensions: {1: a}}}'),
      /both extensions and exact-extensions/,
    ],
    [
      'a time that is none',
      cases('issued').replace('2026-11-22T12:00:00Z', 'noon'),
      /-:2:\d+: at: is no RFC 3339 time/,
    ],
    [
      'a name that comes twice',
      cases('issued', `  - {name: sue, claims: {}, expect: issued}\n`),
      /-:7:\d+: cases\.1\.name: is the name of two cases/,
    ],
    ['a type of key that is none', cases('issued', '    key-type: P-1\n'), /key-type: must be one of/],
    ['a file that is no YAML', 'cases: [', /-:1:\d+/],
  ];
  for (const [what, text, says] of wrong) {
    it(`refuses ${what}, with line and column`, () => {
      const read = () => readPolicyCases(text, '-');
      expect(read).to.throw(ConfigError);
      try {
        read();
      } catch (error) {
        const { message, problems } = error as ConfigError;
        expect(`${message}\n${problems[0]?.hint ?? ''}`).to.match(says);
      }
    });
  }

  it('throws nothing but its own error, whatever the text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), fileLike), (text) => {
        try {
          readPolicyCases(text, '-');
        } catch (error) {
          expect(error).to.be.instanceOf(ConfigError);
        }
      }),
    );
  });
});

/** Files that are nearly right: every key of the form, with any value. */
const fileLike = fc
  .record({
    at: fc.jsonValue(),
    cases: fc.array(
      fc.dictionary(
        fc.constantFrom('name', 'claims', 'at', 'expect', 'key-type', 'claims-file'),
        fc.jsonValue(),
      ),
    ),
  })
  .map((value) => JSON.stringify(value));
