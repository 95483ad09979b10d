/** Conditions on texts that more texts meet than their author may think. */
import { literalText } from './path.ts';
import { nodesOf } from './syntax.ts';
import {
  alternativesOf,
  callOf,
  callsOn,
  pathBehind,
  plainPath,
  type Weakness,
  type RuleUnderCheck,
} from './rule-under-check.ts';

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

/** What ends with a name that somebody else may have made longer: `example.com`, `evil-example.com`. */
const ENDS: ReadonlySet<string> = new Set([
  'claims.email',
  'principal.san',
  'principal.subject',
  ...[...COMPOSED].map((claim) => `claims.${claim}`),
]);

/** Patterns that are found within a longer text. */
export function looseMatches(checked: RuleUnderCheck): Weakness[] {
  if (checked.rule.effect !== 'allow') return [];
  return [...callsOn(checked, 'matches')].flatMap(({ node, path, text }) => {
    const parts = branchesOf(text);
    const start = checked.expression.literals.matchers.get(text)?.anchored === true || parts.every(hasStart);
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
function branchesOf(pattern: string): string[] {
  const parts = [''];
  let depth = 0;
  /** What was read of a class such as `[^a|b]`, in which a first `]` stands for itself; undefined outside of one. */
  let inside: string | undefined;
  for (const [token] of pattern.matchAll(/\\[^]|[^]/g)) {
    if (token === '|' && depth === 0 && inside === undefined) parts.push('');
    else parts.push((parts.pop() ?? '') + token);
    if (inside !== undefined) inside = token === ']' && !/^\^?$/.test(inside) ? undefined : inside + token;
    else if (token === '[') inside = '';
    else if (token === '(') depth++;
    else if (token === ')') depth--;
  }
  return parts;
}

/** Beginnings, ends and parts that longer names have too. */
export function looseTexts(checked: RuleUnderCheck): Weakness[] {
  if (checked.rule.effect !== 'allow') return [];
  const contained = [...callsOn(checked, 'contains')].map(({ node, path }) => ({
    node,
    message: `contains() finds the text anywhere in ${path}`,
    hint: 'Compare with "==", or use startsWith() or an anchored matches().',
  }));
  const begun = [...callsOn(checked, 'startsWith')]
    .filter(({ path, text }) => COMPOSED.has(path.replace(/^claims\./, '')) && !/[/:@]$/.test(text))
    .map(({ node, path, text }) => ({
      node,
      message: `${path} also starts with ${JSON.stringify(text)} when a longer name begins that way`,
      hint: 'End the text with the sign that ends the name: "/", ":" or "@".',
    }));
  const ended = [...callsOn(checked, 'endsWith')]
    .filter(({ path, text }) => ENDS.has(path) && !/^[/:@.]|@/.test(text))
    .map(({ node, path, text }) => ({
      node,
      message: `${path} also ends with ${JSON.stringify(text)} when a longer name ends that way`,
      hint: 'Begin the text with the sign before the name: "@", "/", ":" or ".".',
    }));
  return [...contained, ...begun, ...ended];
}

const ADDRESSES: ReadonlySet<string> = new Set(['claims.email', 'principal.san', 'principal.subject']);
const PARTS: ReadonlySet<string> = new Set(['endsWith', 'contains', 'matches', 'split', 'substring']);
/** A domain of Google's own: nobody else can have an address there. */
const SERVICE_ACCOUNTS = 'gserviceaccount.com';

/** Who is known by a part of an address, at an issuer where everybody may have an account with an address of whatever
 * domain. */
export function borrowedAddresses({ rule, provider, expression }: RuleUnderCheck): Weakness[] {
  const membership = provider?.membership;
  if (rule.effect !== 'allow' || membership === undefined) return [];
  return alternativesOf(expression.syntax.root).flatMap((branch) => {
    const nodes = [...nodesOf(branch)];
    if (nodes.some((node) => plainPath(node) === `claims.${membership}`)) return [];
    const node = nodes.find((part) => {
      const call = callOf(part);
      const [subject, argument] = call?.target === undefined ? [] : [call.target, call.args[0]];
      const path = subject && pathBehind(subject);
      const isPart = call !== undefined && PARTS.has(call.function) && ADDRESSES.has(path ?? '');
      return isPart && literalText(argument)?.includes(SERVICE_ACCOUNTS) !== true;
    });
    if (node === undefined) return [];
    const message = `${provider?.title ?? 'the issuer'} vouches for such addresses of private accounts too, also of people who have left`;
    const hint = `Compare claims.${membership}, which only accounts of the organisation have: has(claims.${membership}) && claims.${membership} == "example.com".`;
    return [{ node, message, hint }];
  });
}
