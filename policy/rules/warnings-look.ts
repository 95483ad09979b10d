/** What the checks for weak rules look at, and how they name it. */
import type { CompiledExpression } from './compile.ts';
import type { RuleDefinition } from '../entry-policy.ts';
import { literalText, pathOf } from './path.ts';
import type { Call, Expr } from './syntax.ts';

/** A rule, and what its checks look at. */
export interface Look {
  readonly rule: RuleDefinition;
  readonly issuer: string;
  readonly expression: CompiledExpression;
  readonly nodes: readonly Expr[];
  /** Paths such as `claims.ref` that the expression reads. */
  readonly paths: ReadonlySet<string>;
}

/** What a check found, at a node. */
export interface Found {
  readonly node: Expr;
  readonly message: string;
  readonly hint: string;
}

/** `claims["ref"]` is `claims.ref`. */
export const plainPath = (node: Expr): string | undefined =>
  pathOf(node)?.replace(/\["([A-Za-z_]\w*)"\]/g, '.$1');

/** The path of a text, or of the one that it is in another case. */
function pathBehind(node: Expr): string | undefined {
  const call = node.exprKind.case === 'callExpr' ? node.exprKind.value : undefined;
  const plain = call !== undefined && SAME_TEXT.has(call.function) ? call.target : undefined;
  return plainPath(plain ?? node);
}

const SAME_TEXT: ReadonlySet<string> = new Set(['lowerAscii', 'upperAscii', 'trim']);

/** The calls of a method on a path, with its literal argument. */
export function* callsOn(look: Look, method: string): Generator<{ node: Expr; path: string; text: string }> {
  for (const node of look.nodes) {
    const call: Call | undefined = node.exprKind.case === 'callExpr' ? node.exprKind.value : undefined;
    if (call?.function !== method) continue;
    const [subject, argument] = call.target === undefined ? call.args : [call.target, ...call.args];
    const text = literalText(argument);
    if (text !== undefined) yield { node, path: (subject && pathBehind(subject)) ?? 'the text', text };
  }
}
