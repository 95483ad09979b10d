import type { ConfiguredIssuer } from '../../policy/issuer-policy-definition.ts';
import { ruleWarnings } from '../../policy/rules/warnings.ts';
import { findDeprecatedType } from './deprecated-types.ts';
import { findUnfitIssuer } from './unfit-issuers.ts';
import { isRegistrable, openTo } from './open-issuers.ts';
import { isUnset } from '../presets/preset.ts';
import type { Path, Report } from '../findings/report.ts';

/** Finds what works in an issuer block but should be known: whom it lets in, or keeps out. */
export function findInIssuerBlock(issuer: ConfiguredIssuer, path: Path, report: Report): void {
  findMarks(issuer, path, report);
  findUnfitIssuer(issuer.definition, path, report);
  findOpenness(issuer, path, report);
  findBroadPattern(issuer, path, report);
  findWeakRules(issuer, path, report);
  findLimits(issuer, path, report);
  findDeprecatedType(issuer.definition, path, report);
  if (issuer.definition.skipEmailVerification)
    report.finding(
      'EMAIL_UNVERIFIED',
      [...path, 'skip-email-verification'],
      'addresses that the issuer does not call verified are taken',
      {
        hint: 'Anyone who can register any address at this issuer can sign as anybody. Use it only where the issuer owns all its addresses.',
      },
    );
}

/** Marks of `mayfly config preset` that nobody replaced. */
function findMarks({ definition, policy }: ConfiguredIssuer, path: Path, report: Report): void {
  const marked = (at: Path): void => {
    report.finding('STILL_MARKED', at, 'still holds "EDIT-ME" of the preset', {
      hint: 'Put your own value there. As it is, it fits nobody.',
    });
  };
  if (isUnset(definition.url)) marked(path);
  if (definition.audiences.some(isUnset)) marked([...path, 'client-id']);
  if ([...(definition.ciProvider?.pinned?.values() ?? [])].some(isUnset)) marked([...path, 'ci-provider']);
  policy.rules.forEach(({ effect, expression }, index) => {
    if (isUnset(expression)) marked([...path, 'mayfly', 'rules', index, effect]);
  });
}

const ALLOW =
  'Say who may with an allow rule under mayfly.rules of the issuer block, best on ids that cannot change hands.';

function findOpenness({ definition, policy }: ConfiguredIssuer, path: Path, report: Report): void {
  if (policy.rules.some(({ effect }) => effect === 'allow')) return;
  if (policy.requireRules) {
    report.finding('NOTHING_ALLOWED', path, 'has no allow rule, so it refuses everybody (require-rules)', {
      hint: ALLOW,
    });
    return;
  }
  const everybody = openTo(definition);
  if (everybody === undefined)
    report.finding('NO_RULES', path, 'has no allow rule: whomever the issuer authenticates may sign', {
      hint: ALLOW,
    });
  else
    report.finding('OPEN_TO_THE_WORLD', path, `has no allow rule, so ${everybody} may sign`, { hint: ALLOW });
}

function findBroadPattern(
  { definition: { url, isMeta } }: ConfiguredIssuer,
  path: Path,
  report: Report,
): void {
  if (isMeta && isRegistrable(url))
    report.finding('PATTERN_BROAD', path, 'fits host names that anybody can get', {
      hint: 'Anyone who has one runs an issuer there, and then chooses every claim that rules look at. Write the registered domain out.',
    });
}

function findWeakRules({ definition, policy }: ConfiguredIssuer, path: Path, report: Report): void {
  policy.rules.forEach((rule, index) => {
    const at = [...path, 'mayfly', 'rules', index, rule.effect];
    // What is still to be replaced is compared with nothing yet.
    if (report.isFound(at, 'STILL_MARKED', 'UNEXPANDED')) return;
    for (const { line, column, message, hint } of ruleWarnings(rule, definition))
      report.finding('RULE_WEAK', at, `rule "${rule.name}": ${message}`, {
        hint,
        at: report.inside(at, line, column),
      });
  });
}

function findLimits({ policy }: ConfiguredIssuer, path: Path, report: Report): void {
  if (policy.principalRateLimit !== undefined) return;
  report.finding('RATE_LIMIT_OFF', path, 'has no rate limit for a principal', {
    hint: 'One job that goes wild can fill the log, which nothing is ever removed from. Say rate-limit: {principal: {per-minute: 600}}.',
  });
}
