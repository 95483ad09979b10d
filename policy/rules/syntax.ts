/** From the text of an expression to its syntax tree, bounded in size and depth. */
import { parse } from '@bufbuild/cel';
import { ExpressionFault } from './rule-error.ts';
import { checkText } from './text.ts';

/** A node of the tree; macros such as `exists` are expanded to comprehensions. */
export type Expr = ReturnType<typeof parse>['expr'];

/** A comprehension, the expansion of `all`, `exists`, `exists_one`, `map` or `filter`. */
export type Comprehension = Extract<Expr['exprKind'], { case: 'comprehensionExpr' }>['value'];

/** A call of a function or operator, or of a method when `target` is there. */
export type Call = Extract<Expr['exprKind'], { case: 'callExpr' }>['value'];

/** A parsed expression. */
export interface Syntax {
  readonly text: string;
  readonly root: Expr;
  /** Number of nodes. */
  readonly size: number;
  /** UTF-16 offset of a node. */
  offsetOf(node: { readonly id: bigint }): number;
  /** The name under which a macro was called; undefined for any other node. */
  macroOf(node: { readonly id: bigint }): string | undefined;
}

const MAX_NODES = 1000;
const MAX_DEPTH = 64;
/** Macros within the body of each other. */
const MAX_LOOPS = 2;

/** The direct parts of a node that are there, in the order of the text as far as macros leave one. */
export function partsOf({ exprKind }: Expr): readonly Expr[] {
  if (exprKind.case === 'selectExpr') return present([exprKind.value.operand]);
  if (exprKind.case === 'callExpr') return present([exprKind.value.target, ...exprKind.value.args]);
  if (exprKind.case === 'listExpr') return exprKind.value.elements;
  if (exprKind.case === 'structExpr') {
    return present(
      exprKind.value.entries.flatMap(({ keyKind, value }) => [
        keyKind.case === 'mapKey' ? keyKind.value : undefined,
        value,
      ]),
    );
  }
  if (exprKind.case !== 'comprehensionExpr') return [];
  const { iterRange, accuInit, loopCondition, loopStep, result } = exprKind.value;
  return present([iterRange, accuInit, loopCondition, loopStep, result]);
}

const present = (parts: readonly (Expr | undefined)[]): Expr[] => parts.filter((part) => part !== undefined);

/** Every node, parents first. */
export function* nodesOf(node: Expr): Generator<Expr> {
  yield node;
  for (const part of partsOf(node)) yield* nodesOf(part);
}

/** Parses; throws {@link ExpressionFault}. */
export function parseExpression(text: string): Syntax {
  checkText(text);
  const { expr: root, sourceInfo } = parsed(text);
  const offsetOf = ({ id }: { readonly id: bigint }): number => sourceInfo?.positions[String(id)] ?? 0;
  const macroOf = ({ id }: { readonly id: bigint }): string | undefined => {
    const call = sourceInfo?.macroCalls[String(id)]?.exprKind;
    return call?.case === 'callExpr' ? call.value.function : undefined;
  };
  let size = 0;
  const measure = (node: Expr, depth: number, loops: number): void => {
    if (++size > MAX_NODES || depth > MAX_DEPTH) {
      throw new ExpressionFault(
        offsetOf(node),
        'the expression is too large',
        'Split it into several rules.',
      );
    }
    if (loops > MAX_LOOPS) {
      throw new ExpressionFault(offsetOf(node), `more than ${MAX_LOOPS} macros within each other`);
    }
    const step = node.exprKind.case === 'comprehensionExpr' ? node.exprKind.value.loopStep : undefined;
    for (const part of partsOf(node)) measure(part, depth + 1, loops + (part === step ? 1 : 0));
  };
  measure(root, 1, 0);
  return { text, root, size, offsetOf, macroOf };
}

function parsed(text: string): ReturnType<typeof parse> {
  try {
    return parse(text);
  } catch (error) {
    throw syntaxFault(text, error);
  }
}

/** The parser's errors are not exported; what they carry is looked at with care. */
function syntaxFault(text: string, error: unknown): ExpressionFault {
  const { location, rawMessage, found } = error as {
    readonly location?: { readonly start?: { readonly offset?: unknown } };
    readonly rawMessage?: unknown;
    readonly found?: unknown;
  };
  const offset = typeof location?.start?.offset === 'number' ? location.start.offset : 0;
  if (rawMessage === 'reserved keyword') {
    return new ExpressionFault(
      offset,
      'this word is reserved in CEL',
      'For a claim of that name: claims["…"].',
    );
  }
  if (location === undefined) return new ExpressionFault(0, 'the expression cannot be parsed');
  if (offset >= text.trimEnd().length) return new ExpressionFault(offset, 'the expression breaks off here');
  const what =
    typeof found === 'string' && found.length < 20 ? `"${found}" does not fit` : 'this does not fit';
  return new ExpressionFault(offset, `${what} here`, 'Something before it may be incomplete.');
}
