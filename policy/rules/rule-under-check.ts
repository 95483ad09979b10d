/** What the checks for weak rules look at, and how they name it. */
import type { CompiledExpression } from './compile.ts';
import type { RuleDefinition } from './rule-definition.ts';
import type { IssuerFacts, Provider } from '../providers/provider.ts';
import { literalText, pathOf } from './path.ts';
import type { Call, Expr } from './syntax.ts';

/** A rule, and what its checks look at. */
export interface RuleUnderCheck {
  readonly rule: RuleDefinition;
  readonly issuer: IssuerFacts;
  /** Whose tokens the rule is for, where that is known. */
  readonly provider: Provider | undefined;
  readonly expression: CompiledExpression;
  readonly nodes: readonly Expr[];
  /** Paths such as `claims.ref` that the expression reads. */
  readonly paths: ReadonlySet<string>;
}

/** What a check found, at a node. */
export interface Weakness {
  readonly node: Expr;
  readonly message: string;
  readonly hint: string;
}

/** `claims["ref"]` is `claims.ref`. */
export const plainPath = (node: Expr): string | undefined =>
  pathOf(node)?.replace(/\["([A-Za-z_]\w*)"\]/g, '.$1');

/** The path of a text, or of the one that it is in another case. */
export function pathBehind(node: Expr): string | undefined {
  const call = callOf(node);
  const plain = call !== undefined && SAME_TEXT.has(call.function) ? call.target : undefined;
  return plainPath(plain ?? node);
}

const SAME_TEXT: ReadonlySet<string> = new Set(['lowerAscii', 'upperAscii', 'trim']);

/** The call that a node is. */
export const callOf = ({ exprKind }: Expr): Call | undefined =>
  exprKind.case === 'callExpr' ? exprKind.value : undefined;

/** The calls of a method on a path, with its literal argument. */
export function* callsOn(
  checked: RuleUnderCheck,
  method: string,
): Generator<{ node: Expr; subject: Expr | undefined; path: string; text: string }> {
  for (const node of checked.nodes) {
    const call = callOf(node);
    if (call?.function !== method) continue;
    const [subject, argument] = call.target === undefined ? call.args : [call.target, ...call.args];
    const text = literalText(argument);
    if (text !== undefined)
      yield { node, subject, path: (subject && pathBehind(subject)) ?? 'the text', text };
  }
}

/** What stands between the `||` of the whole rule: each decides alone, so what one compares says nothing of the others. */
export function alternativesOf(root: Expr): readonly Expr[] {
  const call = callOf(root);
  return call?.function === '_||_' ? call.args.flatMap(alternativesOf) : [root];
}
