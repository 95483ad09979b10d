/** Comparisons that no request can meet, because what is compared takes a few values and this is none of them. */
import { literalText } from './path.ts';
import type { Expr } from './syntax.ts';
import { plainPath } from './warnings-look.ts';

const VALUES: ReadonlyMap<string, readonly string[]> = new Map([
  ['key.type', ['P-256', 'P-384', 'P-521', 'RSA-2048', 'RSA-3072', 'RSA-4096', 'Ed25519']],
  ['key.provenBy', ['challenge', 'csr']],
  ['principal.sanType', ['email', 'uri', 'username']],
]);

const COMPARISONS: ReadonlySet<string> = new Set(['_==_', '_!=_', '@in']);

/** The literals that a value is compared with which it never has: a deny rule would never hold, and nobody would see. */
export function impossibleValues(
  nodes: readonly Expr[],
): { readonly node: Expr; readonly message: string; readonly hint: string }[] {
  return nodes.flatMap(({ exprKind }) => {
    if (exprKind.case !== 'callExpr' || !COMPARISONS.has(exprKind.value.function)) return [];
    const sides = exprKind.value.args;
    const path = sides.map(plainPath).find((name) => name !== undefined && VALUES.has(name));
    const values = VALUES.get(path ?? '');
    if (path === undefined || values === undefined) return [];
    return sides.flatMap(literalsOf).flatMap((node) => {
      const text = literalText(node) ?? '';
      if (values.includes(text)) return [];
      const message = `${path} is never ${JSON.stringify(text)}`;
      return [{ node, message, hint: `It is ${values.slice(0, -1).join(', ')} or ${values.at(-1) ?? ''}.` }];
    });
  });
}

/** A literal, or those of a list. */
function literalsOf(node: Expr): readonly Expr[] {
  const nodes = node.exprKind.case === 'listExpr' ? node.exprKind.value.elements : [node];
  return nodes.filter((element) => literalText(element) !== undefined);
}

/** Kind of value → claims that hold no other, as RFC 7519 or the providers whose claims these are have it. */
const KINDS: ReadonlyMap<string, readonly string[]> = new Map([
  ['a number', ['exp', 'iat', 'nbf', 'auth_time']],
  [
    'text',
    [
      ...['iss', 'sub', 'jti', 'ref', 'sha', 'ref_protected', 'environment_protected', 'runner_environment'],
      ...['repository_id', 'repository_owner_id', 'actor_id', 'run_id', 'run_number', 'run_attempt'],
      ...['enterprise_id', 'namespace_id'],
    ],
  ],
]);

const KIND_OF_CLAIM = new Map(
  [...KINDS].flatMap(([kind, names]) => names.map((name) => [`claims.${name}`, kind])),
);

const KIND_OF_LITERAL: ReadonlyMap<string | undefined, string> = new Map([
  ['stringValue', 'text'],
  ['boolValue', 'a bool'],
  ...['int64Value', 'uint64Value', 'doubleValue'].map((name): [string, string] => [name, 'a number']),
]);

/** The literals that a claim of another kind is compared with: no rule that allows holds by that, and one that denies
 * fails. */
export function unlikeKinds(
  nodes: readonly Expr[],
): { readonly node: Expr; readonly message: string; readonly hint: string }[] {
  return nodes.flatMap(({ exprKind }) => {
    if (exprKind.case !== 'callExpr' || !COMPARISONS.has(exprKind.value.function)) return [];
    const sides = exprKind.value.args;
    const path = sides.map(plainPath).find((name) => name !== undefined && KIND_OF_CLAIM.has(name)) ?? '';
    const kind = KIND_OF_CLAIM.get(path);
    const literals = sides.flatMap(constantsOf).map((node) => ({ node, other: kindOfLiteral(node) }));
    if (kind === undefined || literals.some(({ other }) => other === kind)) return [];
    return literals
      .filter(({ other }) => other !== undefined)
      .map(({ node, other = '' }) => ({
        node,
        message: `${path} is ${kind}, and is compared with ${other}`,
        hint: kind === 'text' ? 'Put the value between quotes.' : 'Write the value without quotes.',
      }));
  });
}

const constantsOf = (node: Expr): readonly Expr[] =>
  node.exprKind.case === 'listExpr' ? node.exprKind.value.elements : [node];

const kindOfLiteral = ({ exprKind }: Expr): string | undefined =>
  exprKind.case === 'constExpr' ? KIND_OF_LITERAL.get(exprKind.value.constantKind.case) : undefined;
