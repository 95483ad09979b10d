/**
 * What is wrong with a rule although it can be used: conditions that more tokens meet than whoever wrote them thinks. Read
 * off the syntax tree, so neither complete nor always right; for `mayfly config check`.
 */
import type { RuleDefinition } from '../entry-policy.ts';
import { compileExpression, type CompiledExpression } from './compile.ts';
import { placeOf } from './rule-error.ts';
import { literalText, pathOf } from './path.ts';
import { nodesOf, type Call, type Expr } from './syntax.ts';

/** One warning; `line` and `column` count from 1 within the expression. */
export interface RuleWarning {
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

/** Claims made of names with `/`, `:` or `@` between them. */
const COMPOSED: ReadonlySet<string> = new Set([
  ...[
    'sub',
    'repository',
    'workflow_ref',
    'job_workflow_ref',
    'project_path',
    'namespace_path',
    'ci_config_ref_uri',
  ],
]);

/** github.com, GitHub Enterprise Cloud with a name of its own, and GitHub Enterprise Server. */
const GITHUB =
  /^https:\/\/(?:token\.actions\.(?:[\w-]+\.ghe\.com|githubusercontent\.com)(?:\/|$)|[^/]+\/_services\/token$)/;

interface Look {
  readonly rule: RuleDefinition;
  readonly issuer: string;
  readonly expression: CompiledExpression;
  readonly nodes: readonly Expr[];
  /** Paths such as `claims.ref` that the expression reads. */
  readonly paths: ReadonlySet<string>;
}

interface Found {
  readonly node: Expr;
  readonly message: string;
  readonly hint: string;
}

/** Warnings for a rule of an entry for `issuer` (its URL or pattern), in the order of the text; none for a rule that
 * cannot be compiled, which `compileRules` refuses. */
export function ruleWarnings(rule: RuleDefinition, issuer: string): RuleWarning[] {
  const expression = compiled(rule);
  if (expression === undefined) return [];
  const nodes = [...nodesOf(expression.syntax.root)];
  const paths = new Set(nodes.map(plainPath).filter((path) => path !== undefined));
  const look: Look = { rule, issuer, expression, nodes, paths };
  return CHECKS.flatMap((check) => check(look))
    .map(({ node, message, hint }) => {
      const place = placeOf(rule.expression, expression.syntax.offsetOf(node));
      return { rule: rule.name, ...place, message, hint };
    })
    .sort((a, b) => a.line - b.line || a.column - b.column);
}

function compiled({ expression }: RuleDefinition): CompiledExpression | undefined {
  try {
    return compileExpression(expression);
  } catch {
    return undefined;
  }
}

/** `claims["ref"]` is `claims.ref`. */
const plainPath = (node: Expr): string | undefined => pathOf(node)?.replace(/\["([A-Za-z_]\w*)"\]/g, '.$1');

/** The first node of a path, so that a claim that is read thrice is told of once. */
function firstReading({ nodes }: Look, path: string): Expr | undefined {
  return nodes.find((node) => plainPath(node) === path);
}

function admitsAll({ rule, paths, expression }: Look): Found[] {
  const looks = ['claims', 'principal', 'issuer', 'key', 'now'].some((name) => paths.has(name));
  if (rule.effect !== 'allow' || looks) return [];
  const message =
    'the rule looks at nothing, so it admits everybody whom the issuer authenticates, or nobody';
  return [
    { node: expression.syntax.root, message, hint: 'Compare a claim, such as claims.repository_owner_id.' },
  ];
}

function subjectOfGithub(look: Look): Found[] {
  if (!GITHUB.test(look.issuer)) return [];
  return ['claims.sub', 'principal.subject'].flatMap((path) => {
    const node = firstReading(look, path);
    if (node === undefined) return [];
    const message = `${path} of GitHub is made of names, and a repository can choose which`;
    return [
      { node, message, hint: 'Compare claims.repository_id or claims.repository_owner_id, and claims.ref.' },
    ];
  });
}

function namesWithoutIds(look: Look): Found[] {
  return [...IDS].flatMap(([name, ids]) => {
    const node = firstReading(look, `claims.${name}`);
    if (node === undefined || ids.some((id) => look.paths.has(`claims.${id}`))) return [];
    const message = `claims.${name} is a name that can change hands`;
    return [{ node, message, hint: `Compare claims.${ids[0] ?? ''} as well; it stays the same.` }];
  });
}

/** The calls of a method on a path, with its literal argument. */
function* callsOn(look: Look, method: string): Generator<{ node: Expr; path: string; text: string }> {
  for (const node of look.nodes) {
    const call: Call | undefined = node.exprKind.case === 'callExpr' ? node.exprKind.value : undefined;
    if (call?.function !== method) continue;
    const [subject, argument] = call.target === undefined ? call.args : [call.target, ...call.args];
    const text = literalText(argument);
    if (text !== undefined) yield { node, path: (subject && plainPath(subject)) ?? 'the text', text };
  }
}

function looseMatches(look: Look): Found[] {
  if (look.rule.effect !== 'allow') return [];
  return [...callsOn(look, 'matches')].flatMap(({ node, path, text }) => {
    const parts = alternativesOf(text);
    const start = look.expression.literals.matchers.get(text)?.anchored === true || parts.every(hasStart);
    const end = parts.every(hasEnd);
    if (start && end) return [];
    const where = !start && !end ? 'anywhere in it' : start ? 'at its start' : 'at its end';
    const message = `the regular expression need not be all of ${path}: it is also found ${where}`;
    return [{ node, message, hint: 'Begin it with "^" and end it with "$", with (…) around alternatives.' }];
  });
}

const hasStart = (part: string): boolean => /^(?:\(\?\w+\)|\((?:\?:)?)*(?:\^|\\A)/.test(part);
const hasEnd = (part: string): boolean => /(?:^|[^\\])(?:\\\\)*(?:\$|\\z)\)*$/.test(part);

/** The parts of a pattern between `|` outside of brackets. */
function alternativesOf(pattern: string): string[] {
  const parts = [''];
  let depth = 0;
  for (const [token] of pattern.matchAll(/\\[^]|\[\^?\]?(?:\\[^]|[^\]\\])*\]|[^]/g)) {
    if (token === '(') depth++;
    if (token === ')') depth--;
    if (token === '|' && depth === 0) parts.push('');
    else parts.push((parts.pop() ?? '') + token);
  }
  return parts;
}

function looseTexts(look: Look): Found[] {
  if (look.rule.effect !== 'allow') return [];
  const contained = [...callsOn(look, 'contains')].map(({ node, path }) => ({
    node,
    message: `contains() finds the text anywhere in ${path}`,
    hint: 'Compare with "==", or use startsWith() or an anchored matches().',
  }));
  const begun = [...callsOn(look, 'startsWith')]
    .filter(({ path, text }) => COMPOSED.has(path.replace(/^claims\./, '')) && !/[/:@]$/.test(text))
    .map(({ node, path, text }) => ({
      node,
      message: `${path} also starts with ${JSON.stringify(text)} when a longer name begins that way`,
      hint: 'End the text with the sign that ends the name: "/", ":" or "@".',
    }));
  return [...contained, ...begun];
}

const CHECKS = [admitsAll, subjectOfGithub, namesWithoutIds, looseMatches, looseTexts];
