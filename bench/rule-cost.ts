/** What one decision by one rule costs, without anything around it. */
import type { Claims } from '../oidc/core/claims.ts';
import { compileRules } from '../policy/rules/rules.ts';
import { githubClaims } from './corpus.ts';
import { RULE } from './many-issuers.ts';
import { median } from './process.ts';

/** Of one decision, in microseconds. */
export interface RuleCost {
  readonly microseconds: number;
}

const DECISIONS = 20_000;

/** Measures a rule over two claims of a GitHub-like token, the claims made anew for each decision. */
export function measureRuleCost(): RuleCost {
  const rules = compileRules([{ name: 'bench', effect: 'allow', expression: RULE }]);
  const now = Math.floor(Date.now() / 1000);
  const decide = (claims: Claims, run: number): boolean =>
    rules.decide({
      claims,
      principal: {
        issuer: 'https://issuer.example.com',
        subject: String(run),
        san: { type: 'uri', value: 'https://github.com/octo-org/octo-repo' },
        extensions: new Map([[1, 'https://issuer.example.com']]),
      },
      key: { type: 'P-256', provenBy: 'challenge' },
      now: Date.now(),
    }).allowed;
  const tokens = Array.from({ length: 1000 }, (_, run) =>
    JSON.stringify(githubClaims('https://issuer.example.com', run, now)),
  );
  const rounds: number[] = [];
  for (let round = 0; round < 7; round++) {
    const claims = Array.from(
      { length: DECISIONS },
      (_, i) => JSON.parse(tokens[i % 1000] ?? '{}') as Claims,
    );
    const begin = performance.now();
    for (const [i, each] of claims.entries()) if (!decide(each, i)) throw new Error('the rule did not hold');
    rounds.push((1000 * (performance.now() - begin)) / DECISIONS);
  }
  // The first rounds run before the engine has compiled the loop.
  return { microseconds: median(rounds.slice(2)) };
}
