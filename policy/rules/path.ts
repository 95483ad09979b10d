/** How an expression names what it looks at. */
import type { Expr } from './syntax.ts';

/** The text of a literal; undefined for any other node. */
export function literalText(node: Expr | undefined): string | undefined {
  const constant = node?.exprKind.case === 'constExpr' ? node.exprKind.value.constantKind : undefined;
  return constant?.case === 'stringValue' ? constant.value : undefined;
}

/** What `operand.name` and `operand["name"]` have in common. */
export function accessOf({ exprKind }: Expr): { readonly operand: Expr; readonly name: string } | undefined {
  if (exprKind.case === 'selectExpr') {
    const { operand, field: name } = exprKind.value;
    return operand === undefined ? undefined : { operand, name };
  }
  if (exprKind.case !== 'callExpr' || exprKind.value.function !== '_[_]') return undefined;
  const [operand, key] = exprKind.value.args;
  const name = literalText(key);
  return operand === undefined || name === undefined ? undefined : { operand, name };
}

/** The node and everything that it is a member of. */
export function chainOf(node: Expr): Expr[] {
  const access = accessOf(node);
  return access === undefined ? [node] : [node, ...chainOf(access.operand)];
}

/** `claims.a["c d"]`, as the rule has it; undefined when it starts with something computed. */
export function pathOf(node: Expr): string | undefined {
  if (node.exprKind.case === 'identExpr') return node.exprKind.value.name;
  const access = accessOf(node);
  const start = access === undefined ? undefined : pathOf(access.operand);
  if (access === undefined || start === undefined) return undefined;
  return node.exprKind.case === 'selectExpr'
    ? `${start}.${access.name}`
    : `${start}[${JSON.stringify(access.name)}]`;
}
