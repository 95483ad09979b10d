/**
 * Checks the types of an expression before any token is there: names, fields, functions and their arguments. What a
 * claim holds is known only when a token brings it (`dyn`), and is judged then.
 */
import { nearest } from '../../core/nearest.ts';
import { CallLiterals } from './call-literals.ts';
import { ExpressionFault } from './rule-error.ts';
import { overloadsOf, TYPE_NAMES } from './functions.ts';
import { useLiterals, type Literals } from './literals.ts';
import { refill } from './meter.ts';
import { OPERATORS } from './operators.ts';
import { resultOfCall, unknownFunction } from './overloads.ts';
import type { Call, Comprehension, Expr, Syntax } from './syntax.ts';
import { BOOL, described, DYN, fits, join, listOf, mapOf, TYPE, type ValueType } from './value-type.ts';

/** Checks that the expression over those variables is a bool, as far as that can be known, and makes what its literals stand for. Throws
 * {@link ExpressionFault}. */
export function checkExpression(syntax: Syntax, variables: ReadonlyMap<string, ValueType>): Literals {
  refill(1);
  useLiterals(undefined);
  const checker = new Checker(syntax, variables);
  const type = checker.typeOf(syntax.root, variables);
  if (!fits(type, BOOL)) {
    throw new ExpressionFault(
      0,
      `the expression is ${described(type)}, not a bool`,
      'A rule is a condition: compare with "==", or use has(…), startsWith(…) and the like.',
    );
  }
  return checker.literals;
}

type Scope = ReadonlyMap<string, ValueType>;

class Checker {
  readonly literals = new CallLiterals((node, sentence, hint) => this.#fault(node, sentence, hint));
  readonly #syntax: Syntax;
  readonly #variables: Scope;

  constructor(syntax: Syntax, variables: Scope) {
    this.#syntax = syntax;
    this.#variables = variables;
  }

  typeOf(node: Expr | undefined, scope: Scope): ValueType {
    const kind = node?.exprKind;
    if (node === undefined || kind === undefined)
      throw new ExpressionFault(0, 'the expression is not complete');
    if (kind.case === 'constExpr') return this.#literal(node);
    if (kind.case === 'identExpr') return this.#name(node, kind.value.name, scope);
    if (kind.case === 'selectExpr') {
      const type = this.#field(node, this.typeOf(kind.value.operand, scope), kind.value.field);
      return kind.value.testOnly ? BOOL : type;
    }
    if (kind.case === 'callExpr') return this.#call(node, kind.value, scope);
    if (kind.case === 'listExpr') return listOf(this.#joined(kind.value.elements, scope));
    if (kind.case === 'comprehensionExpr') return this.#loop(node, kind.value, scope);
    if (kind.case === 'structExpr' && kind.value.messageName === '') {
      for (const { keyKind } of kind.value.entries) {
        if (keyKind.case === 'mapKey') this.typeOf(keyKind.value, scope);
      }
      return mapOf(
        this.#joined(
          kind.value.entries.map(({ value }) => value),
          scope,
        ),
      );
    }
    throw this.#fault(node, 'objects of named types cannot be made in a rule');
  }

  #fault(node: Expr, sentence: string, hint?: string): ExpressionFault {
    return new ExpressionFault(this.#syntax.offsetOf(node), sentence, hint);
  }

  #joined(nodes: readonly (Expr | undefined)[], scope: Scope): ValueType {
    const types = nodes.map((node) => this.typeOf(node, scope));
    return types.length === 0 ? DYN : types.reduce(join);
  }

  #literal(node: Expr): ValueType {
    const constant = node.exprKind.case === 'constExpr' ? node.exprKind.value.constantKind : undefined;
    if (constant?.case === 'int64Value' && BigInt.asIntN(64, constant.value) !== constant.value) {
      throw this.#fault(node, 'the number is larger than an int can be');
    }
    if (constant?.case === 'uint64Value' && BigInt.asUintN(64, constant.value) !== constant.value) {
      throw this.#fault(node, 'the number is larger than a uint can be');
    }
    const name = LITERALS.get(constant?.case ?? '');
    if (name === undefined) throw this.#fault(node, 'this literal cannot be used in a rule');
    return { name };
  }

  #name(node: Expr, written: string, scope: Scope): ValueType {
    const name = written.startsWith('.') ? written.slice(1) : written;
    const known = scope.get(name);
    if (known !== undefined) return known;
    if (TYPE_NAMES.includes(name)) return TYPE;
    const near = nearest(
      name,
      [...scope.keys()].filter((key) => !key.startsWith('@')),
    );
    throw this.#fault(
      node,
      `there is no variable "${name}"`,
      near === undefined
        ? `The variables are ${[...this.#variables.keys()].join(', ')}${this.#variables.has('claims') ? `; a claim is read as claims.${name}` : ''}.`
        : `Did you mean "${near}"?`,
    );
  }

  #field(node: Expr, operand: ValueType, field: string): ValueType {
    if (operand.name === 'dyn') return DYN;
    if (operand.name !== 'map')
      throw this.#fault(node, `${described(operand)} has no fields, so no "${field}"`);
    if (operand.fields === undefined) return operand.element ?? DYN;
    const type = operand.fields.get(field);
    if (type !== undefined) return type;
    const names = [...operand.fields.keys()];
    const near = nearest(field, names);
    throw this.#fault(
      node,
      `there is no field "${field}" here`,
      near === undefined ? `There are ${names.join(', ')}.` : `Did you mean "${near}"?`,
    );
  }

  #call(node: Expr, call: Call, scope: Scope): ValueType {
    const operands = call.target === undefined ? call.args : [call.target, ...call.args];
    const special = OPERATORS.get(call.function);
    const name = call.function;
    const fault = (sentence: string, hint?: string): ExpressionFault => this.#fault(node, sentence, hint);
    if (special === undefined && overloadsOf(name).length === 0) throw unknownFunction(name, fault);
    const types = operands.map((operand) => this.typeOf(operand, scope));
    if (special !== undefined)
      return special(types, (sentence, at) => this.#fault(at ?? node, sentence), operands);
    this.literals.check(node, call, operands);
    return resultOfCall(call, types, fault);
  }

  #loop(node: Expr, loop: Comprehension, scope: Scope): ValueType {
    const macro = `${this.#syntax.macroOf(node) ?? 'a macro'}()`;
    const range = this.typeOf(loop.iterRange, scope);
    if (!['dyn', 'list', 'map'].includes(range.name)) {
      throw this.#fault(node, `${macro} goes through a list or a map, not through ${described(range)}`);
    }
    if (this.#variables.has(loop.iterVar) || TYPE_NAMES.includes(loop.iterVar)) {
      throw this.#fault(
        node,
        `"${loop.iterVar}" already means something`,
        'Choose another name for the element.',
      );
    }
    const element = range.name === 'list' ? (range.element ?? DYN) : DYN;
    const inside = new Map([...scope, [loop.iterVar, element]]);
    const first = this.typeOf(loop.accuInit, scope);
    const step = this.typeOf(loop.loopStep, new Map([...inside, [loop.accuVar, first]]));
    return this.typeOf(loop.result, new Map([...scope, [loop.accuVar, join(first, step)]]));
  }
}

const LITERALS: ReadonlyMap<string, string> = new Map([
  ['boolValue', 'bool'],
  ['bytesValue', 'bytes'],
  ['doubleValue', 'double'],
  ['int64Value', 'int'],
  ['nullValue', 'null_type'],
  ['stringValue', 'string'],
  ['uint64Value', 'uint'],
]);
