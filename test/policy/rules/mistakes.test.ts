import { expect } from 'chai';
import { RuleError } from '../../../policy/rules/rule-error.ts';
import { compileRules } from '../../../policy/rules/rules.ts';

/** Where it is, what is said, and what is advised. */
type Mistake = readonly [expression: string, place: string, message: RegExp, hint: RegExp];

const ANY = /(?:)/;

const MISTAKES: readonly Mistake[] = [
  ['', '1:1', /is empty/, /Write a condition/],
  ['claims.ref == ', '1:14', /breaks off after "=="/, ANY],
  ['claims.ref == "x', '1:15', /does not end/, /Close it with "/],
  ["claims.ref == '''x'", '1:15', /does not end/, /Close it with '''/],
  ['claims.ref = "x"', '1:12', /"=" alone/, /"=="/],
  ['true & false', '1:6', /"&" alone/, /"&&"/],
  ['true and false', '1:6', /"and" is not a word/, /"&&"/],
  ['not true', '1:1', /"not" is not a word/, /"!"/],
  ['(claims.ref == "x"', '1:1', /"\(" is never closed/, ANY],
  ['claims.ref == "x")', '1:18', /nothing is open/, ANY],
  ['[claims.ref == "x")', '1:19', /"\]" must come before this "\)"/, ANY],
  ['"x" "y"', '1:5', /does not fit here/, ANY],
  ['claims.in == 1', '1:8', /reserved/, /claims\["…"\]/],
  ['\n\n  claims.ref ==\n  "😀" + bogus', '4:9', /no variable "bogus"/, /claims\.bogus/],
  ['claim.ref == "x"', '1:1', /no variable "claim"/, /Did you mean "claims"/],
  ['principal.sann == "x"', '1:10', /no field "sann"/, /Did you mean "san"/],
  ['principal.extensions.SourceRepositoryUri == "x"', '1:21', /no field/, /"SourceRepositoryURI"/],
  ['key.curve == "x"', '1:4', /no field "curve"/, /There are type, provenBy/],
  ['claims.ref.startswith("x")', '1:11', /no function "startswith"/, /Did you mean "startsWith"/],
  ['claims.ref.replace("a", "b") == "x"', '1:11', /no function "replace"/, ANY],
  ['"x"', '1:1', /is a string, not a bool/, /A rule is a condition/],
  ['size(claims.groups)', '1:1', /is an int, not a bool/, ANY],
  ['principal.san == 5', '1:15', /a string and an int are never equal/, ANY],
  ['"x" in "xy"', '1:5', /looks into a list or a map, not into a string/, ANY],
  ['5 in ["x"]', '1:3', /never in a list of string/, ANY],
  ['1 + "x" == 2', '1:3', /"\+" does not take \(int, string\)/, /It takes/],
  ['now < "2026"', '1:5', /"<" does not take \(timestamp, string\)/, ANY],
  ['"x" && true', '1:1', /&& takes bools, not a string/, ANY],
  ['"x" ? true : false', '1:1', /before "\?" is a string/, ANY],
  ['principal.san.x == 1', '1:14', /a string has no fields/, ANY],
  ['[true][true]', '1:7', /a list has no element for a bool/, ANY],
  ['has(claims)', '1:1', /takes one field/, /has\(claims\.ref\)/],
  ['claims.groups.exists(g)', '1:14', /the name of a variable and a condition/, /exists\(g, g ==/],
  ['principal.san.all(c, c == "x")', '1:14', /goes through a list or a map, not through a string/, ANY],
  ['claims.groups.exists(now, now == 1)', '1:14', /"now" already means something/, /another name/],
  [
    'claims.groups.exists(g, claims.groups.exists(h, claims.groups.exists(i, true)))',
    '1:62',
    /macros within/,
    ANY,
  ],
  ['claims.ref.matches("a(")', '1:20', /cannot be compiled: missing closing \)/, /RE2/],
  ['claims.ref.matches("(?=a)")', '1:20', /cannot be compiled/, /Look-around/],
  ['claims.ref.matches("(a{1000}){1000}")', '1:20', /cannot be compiled/, ANY],
  ['claims.ref.matches("(a?){999}")', '1:20', /too large/, ANY],
  ['claims.ref.matches(claims.pattern)', '1:11', /written in the rule itself/, /startsWith/],
  ['now < timestamp("yesterday")', '1:17', /no timestamp/, /2026-/],
  ['duration("5 minutes") > duration("1s")', '1:10', /no duration/, /90m/],
  ['now.getHours("Mars/Olympus") < 5', '1:14', /no such time zone/, /Europe\/Berlin/],
  ['now.getHours(claims.zone) < 5', '1:4', /written in the rule itself/, ANY],
  ['99999999999999999999 == 1', '1:1', /larger than an int/, ANY],
  ['google.protobuf.Timestamp{seconds: 1} == now', '1:1', /objects of named types/, ANY],
  [`"${'x'.repeat(5000)}" == claims.ref`, '1:4097', /longer than 4096/, /several rules/],
  ['('.repeat(25) + 'true' + ')'.repeat(25), '1:25', /more than 24 brackets/, ANY],
  [Array(300).fill('claims.a').join('+') + ' == 1', '1:2124', /too large/, /several rules/],
  ['true ? true : '.repeat(100) + 'true', '1:883', /too large/, ANY],
];

describe('policy/rules report a mistake when they are loaded', () => {
  for (const [expression, place, message, hint] of MISTAKES) {
    it(expression.length > 80 ? `${expression.slice(0, 80)}…` : JSON.stringify(expression), () => {
      const error = complaintOf(expression);
      const { line, column, rule } = error.metadata;
      expect(error.code).to.equal('RULE_INVALID');
      expect(rule).to.equal('my rule');
      expect(error.message)
        .to.match(message)
        .and.contain(`rule "my rule", line ${line ?? ''}, column`);
      expect(`${line ?? ''}:${column ?? ''}`, error.message).to.equal(place);
      expect(error.hint ?? '').to.match(hint);
    });
  }
});

function complaintOf(expression: string): RuleError {
  try {
    compileRules([{ name: 'my rule', effect: 'deny', expression }]);
  } catch (error) {
    if (error instanceof RuleError) return error;
    throw error;
  }
  throw new Error('it was taken');
}
