/** From the text of a rule's expression to a function that pays for what it does. */
import { plan, type CelInput, type CelResult } from '@bufbuild/cel';
import { checkExpression } from './check.ts';
import { APPEND, GO_ON, LOOP, NEW_LIST, RULE_ENVIRONMENT } from './functions.ts';
import type { Literals } from './literals.ts';
import { VARIABLES } from './value-type.ts';
import { nodesOf, parseExpression, partsOf, type Comprehension, type Expr, type Syntax } from './syntax.ts';

/** What the variables of a rule hold, by name. */
export type Bindings = Record<string, CelInput>;

/** An expression that was checked. */
export interface CompiledExpression {
  readonly syntax: Syntax;
  readonly literals: Literals;
  /** Steps that every evaluation costs, whatever the token. */
  readonly steps: number;
  /** Evaluates; returns an error of the library, and throws nothing. */
  readonly evaluate: (bindings: Bindings) => CelResult;
}

/** Parses, checks and plans an expression over those variables; the ones of rules by default. Throws {@link ExpressionFault}. */
export function compileExpression(text: string, variables = VARIABLES): CompiledExpression {
  const syntax = parseExpression(text);
  const literals = checkExpression(syntax, variables);
  const evaluate = plan(RULE_ENVIRONMENT, withCosts(syntax.root));
  return { syntax, literals, steps: syntax.size, evaluate };
}

/** The same tree, in which macros pay for their passes before the first one and fill a list that can grow. Every node
 * that is added has the number of the one it stands for, so that an error names a place in the text. */
function withCosts(node: Expr): Expr {
  const { exprKind } = node;
  if (exprKind.case === 'comprehensionExpr') return loopWithCosts(node, exprKind.value);
  if (exprKind.case === 'selectExpr') {
    const operand = mapped(exprKind.value.operand);
    return { ...node, exprKind: { case: 'selectExpr', value: { ...exprKind.value, operand } } };
  }
  if (exprKind.case === 'callExpr') {
    const { target, args } = exprKind.value;
    const value = { ...exprKind.value, target: mapped(target), args: args.map(withCosts) };
    return { ...node, exprKind: { case: 'callExpr', value } };
  }
  if (exprKind.case === 'listExpr') {
    const elements = exprKind.value.elements.map(withCosts);
    return { ...node, exprKind: { case: 'listExpr', value: { ...exprKind.value, elements } } };
  }
  if (exprKind.case !== 'structExpr') return node;
  const entries = exprKind.value.entries.map((entry) => ({ ...entry, value: mapped(entry.value) }));
  return { ...node, exprKind: { case: 'structExpr', value: { ...exprKind.value, entries } } };
}

const mapped = (node: Expr | undefined): Expr | undefined =>
  node === undefined ? undefined : withCosts(node);

function loopWithCosts(node: Expr, loop: Comprehension): Expr {
  const { iterRange, accuInit, loopStep, loopCondition } = loop;
  if (iterRange === undefined || loopStep === undefined) return node;
  const weight = sizeOf(loopStep) + (loopCondition === undefined ? 0 : sizeOf(loopCondition));
  const makesList = accuInit?.exprKind.case === 'listExpr';
  const value: Comprehension = {
    ...loop,
    loopCondition: loopCondition && call(node, '_&&_', [call(node, GO_ON, []), withCosts(loopCondition)]),
    iterRange: call(iterRange, LOOP, [withCosts(iterRange), int(iterRange, weight)]),
    accuInit: makesList ? call(node, NEW_LIST, []) : accuInit,
    loopStep: makesList ? growing(loopStep, loop.accuVar) : withCosts(loopStep),
  };
  return { ...node, exprKind: { case: 'comprehensionExpr', value } };
}

const sizeOf = (node: Expr): number => [...nodesOf(node)].length;

/** `accu + [x]`, alone or as the first choice of `test ? accu + [x] : accu`, appends. */
function growing(step: Expr, accuVar: string): Expr {
  if (step.exprKind.case !== 'callExpr') return withCosts(step);
  const { function: name, args } = step.exprKind.value;
  const [first, second, third] = args;
  if (name === '_?_:_' && first !== undefined && second !== undefined && third !== undefined) {
    return call(step, name, [withCosts(first), growing(second, accuVar), third]);
  }
  const accu = first?.exprKind.case === 'identExpr' && first.exprKind.value.name === accuVar;
  const [item] = second === undefined ? [] : partsOf(second);
  if (name !== '_+_' || !accu || second?.exprKind.case !== 'listExpr' || item === undefined)
    return withCosts(step);
  return call(step, APPEND, [first, withCosts(item)]);
}

function call(place: Expr, name: string, args: Expr[]): Expr {
  const value = { $typeName: 'cel.expr.Expr.Call' as const, function: name, args };
  return { $typeName: 'cel.expr.Expr', id: place.id, exprKind: { case: 'callExpr', value } };
}

function int(place: Expr, number: number): Expr {
  const constantKind = { case: 'int64Value' as const, value: BigInt(number) };
  const value = { $typeName: 'cel.expr.Constant' as const, constantKind };
  return { $typeName: 'cel.expr.Expr', id: place.id, exprKind: { case: 'constExpr', value } };
}
