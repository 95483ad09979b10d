import type { RuleInput } from '../../../../policy/rules/bindings.ts';
import { compileRules } from '../../../../policy/rules/rules.ts';

/** 2026-11-22T10:00:00.250Z, a Sunday. */
const NOW = Date.UTC(2026, 10, 22, 10, 0, 0, 250);

/** A request as rules see it: a job on GitHub, with claims of every JSON type. */
export const ruleInput = (): RuleInput => ({
  claims: {
    iss: 'https://issuer.example',
    sub: 'repo:octo-org/octo-repo:ref:refs/heads/main',
    ref: 'refs/heads/main',
    event_name: 'push',
    repository_owner_id: '123',
    run_attempt: 5,
    run_number: '7',
    share: 1.5,
    big: 1e300,
    nothing: null,
    groups: ['a', 'b', 'c'],
    deep: { list: [1, { name: 'x' }] },
    iat: NOW / 1000 - 60.25,
  },
  principal: {
    san: { type: 'uri', value: 'https://github.com/octo' },
    subject: 'repo:octo-org/octo-repo:ref:refs/heads/main',
    issuer: 'https://other.example',
    extensions: new Map([
      [1, 'https://other.example'],
      [8, 'https://other.example'],
      [12, 'https://github.com/octo-org/octo-repo'],
    ]),
  },
  key: { type: 'P-256', provenBy: 'challenge' },
  now: NOW,
});

/** What became of one expression: `holds`, `does not hold`, or why it failed. */
export function outcomeOf(expression: string, claims = ruleInput().claims): string {
  const rules = compileRules([{ name: 'r', effect: 'allow', expression }]);
  const [outcome] = rules.trace({ ...ruleInput(), claims }).outcomes;
  return outcome?.failure?.reason ?? outcome?.outcome ?? 'nothing';
}
