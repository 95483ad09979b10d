/**
 * What is wrong with a rule although it can be used: conditions that more tokens meet than their author thinks. Read
 * off the syntax tree, so neither complete nor always right; for `mayfly config check`.
 */
import type { RuleDefinition } from './rule-definition.ts';
import { githubActions } from '../providers/github.ts';
import type { IssuerFacts } from '../providers/provider.ts';
import { providerOf } from '../providers/providers.ts';
import type { CompiledExpression } from './compile.ts';
import { placeOf } from './rule-error.ts';
import { compileRule } from './rules.ts';
import { nodesOf, type Expr } from './syntax.ts';
import { alternativesOf, plainPath, type Weakness, type RuleUnderCheck } from './rule-under-check.ts';
import { contradictions, impossibleStarts, impossibleTexts, misspeltClaims } from './warnings-forms.ts';
import { unlikeKinds } from './warnings-kinds.ts';
import { emptyLists } from './warnings-lists.ts';
import { borrowedAddresses, looseMatches, looseTexts } from './warnings-texts.ts';

/** One warning; `line` and `column` count from 1 within the expression. */
interface RuleWarning {
  readonly rule: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
  readonly hint: string;
}

/** Claims that hold a name which can change hands → claims of which one pins it down for good. */
const IDS: ReadonlyMap<string, readonly string[]> = new Map([
  ['repository', ['repository_id', 'repository_owner_id']],
  ['repository_owner', ['repository_owner_id', 'repository_id']],
  ['actor', ['actor_id']],
  ['enterprise', ['enterprise_id']],
  ['project_path', ['project_id', 'namespace_id']],
  ['namespace_path', ['namespace_id', 'project_id']],
  ['user_login', ['user_id']],
  ['organization_slug', ['organization_id', 'pipeline_id']],
  ['pipeline_slug', ['pipeline_id', 'organization_id']],
  ['account_name', ['account_id', 'pipeline_id']],
  ['pipeline_name', ['pipeline_id', 'account_id']],
]);

/** Warnings for a rule of an issuer block for `issuer`, in the order of the text; none for a rule that cannot be compiled, which
 * `compileRules` refuses. */
export function ruleWarnings(rule: RuleDefinition, issuer: IssuerFacts): RuleWarning[] {
  const expression = compiled(rule);
  if (expression === undefined) return [];
  const nodes = [...nodesOf(expression.syntax.root)];
  const paths = new Set(nodes.map(plainPath).filter((path) => path !== undefined));
  const checked: RuleUnderCheck = { rule, issuer, provider: providerOf(issuer), expression, nodes, paths };
  return CHECKS.flatMap((check) => check(checked))
    .map(({ node, message, hint }) => {
      const place = placeOf(rule.expression, expression.syntax.offsetOf(node));
      return { rule: rule.name, ...place, message, hint };
    })
    .sort((a, b) => a.line - b.line || a.column - b.column);
}

function compiled(rule: RuleDefinition): CompiledExpression | undefined {
  try {
    return compileRule(rule);
  } catch {
    return undefined;
  }
}

/** The first node of a path, so that a claim that is read thrice is warned of once. */
function firstReading({ nodes }: RuleUnderCheck, path: string): Expr | undefined {
  return nodes.find((node) => plainPath(node) === path);
}

function admitsAll({ rule, paths, expression }: RuleUnderCheck): Weakness[] {
  const looks = ['claims', 'principal', 'issuer', 'key', 'now'].some((name) => paths.has(name));
  if (rule.effect !== 'allow' || looks) return [];
  const message =
    'the rule looks at nothing, so it admits everybody whom the issuer authenticates, or nobody';
  return [
    { node: expression.syntax.root, message, hint: 'Compare a claim, such as claims.repository_owner_id.' },
  ];
}

function subjectOfGithub(checked: RuleUnderCheck): Weakness[] {
  if (checked.provider !== githubActions) return [];
  return ['claims.sub', 'principal.subject'].flatMap((path) => {
    const node = firstReading(checked, path);
    if (node === undefined) return [];
    const message = `${path} of GitHub is made of names, and a repository can choose which`;
    return [
      { node, message, hint: 'Compare claims.repository_id or claims.repository_owner_id, and claims.ref.' },
    ];
  });
}

function namesWithoutIds(checked: RuleUnderCheck): Weakness[] {
  const branches = alternativesOf(checked.expression.syntax.root).map((branch) => {
    const nodes = [...nodesOf(branch)];
    return { nodes, paths: nodes.map(plainPath) };
  });
  return [...IDS].flatMap(([name, ids]) => {
    const open = branches.find(
      ({ paths }) => paths.includes(`claims.${name}`) && !ids.some((id) => paths.includes(`claims.${id}`)),
    );
    const node = open?.nodes.find((part) => plainPath(part) === `claims.${name}`);
    if (node === undefined) return [];
    const message = `claims.${name} is a name that can change hands`;
    return [{ node, message, hint: `Compare claims.${ids[0] ?? ''} as well; it stays the same.` }];
  });
}

const CHECKS = [
  admitsAll,
  subjectOfGithub,
  namesWithoutIds,
  looseMatches,
  looseTexts,
  borrowedAddresses,
  emptyLists,
  unlikeKinds,
  impossibleTexts,
  impossibleStarts,
  contradictions,
  misspeltClaims,
];
