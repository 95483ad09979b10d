/**
 * Checks the types of an expression before any token is there: names, fields, functions and their arguments. What a
 * claim holds is known only when a token brings it (`dyn`), and is judged then.
 */
import { isCelError, plan } from '@bufbuild/cel';
import type { CelFunc, CelValue } from '@bufbuild/cel';
import { nearest } from '../../core/nearest.ts';
import { ExpressionFault } from './rule-error.ts';
import { FUNCTION_NAMES, overloadsOf, RULE_ENVIRONMENT, TYPE_NAMES } from './functions.ts';
import { literalKey, useLiterals, type Literals } from './literals.ts';
import { refill } from './meter.ts';
import { OPERATOR_NAMES, OPERATORS } from './operators.ts';
import { literalText } from './path.ts';
import { compilePattern, PatternFault, type Matcher } from './regex.ts';
import type { Call, Comprehension, Expr, Syntax } from './syntax.ts';
import { isCalendarMethod, isZone } from './time.ts';
import {
  BOOL,
  described,
  DYN,
  fits,
  join,
  listOf,
  mapOf,
  TYPE,
  typeName,
  valueTypeOf,
  VARIABLES,
  type ValueType,
} from './value-type.ts';

/** Checks that the expression gives a bool, as far as that can be known, and makes what its literals stand for. Throws
 * {@link ExpressionFault}. */
export function checkExpression(syntax: Syntax): Literals {
  refill(1);
  useLiterals(undefined);
  const checker = new Checker(syntax);
  const type = checker.typeOf(syntax.root, VARIABLES);
  if (!fits(type, BOOL)) {
    throw new ExpressionFault(
      0,
      `the expression gives ${described(type)}, not a bool`,
      'A rule is a condition: compare with "==", or use has(…), startsWith(…) and the like.',
    );
  }
  return checker;
}

type Scope = ReadonlyMap<string, ValueType>;

class Checker implements Literals {
  readonly matchers = new Map<string, Matcher>();
  readonly constants = new Map<string, CelValue>();
  readonly #syntax: Syntax;

  constructor(syntax: Syntax) {
    this.#syntax = syntax;
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
        ? `The variables are ${[...VARIABLES.keys()].join(', ')}; a claim is read as claims.${name}.`
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
    if (special === undefined && overloadsOf(name).length === 0) throw this.#unknownFunction(node, name);
    const types = operands.map((operand) => this.typeOf(operand, scope));
    if (special !== undefined)
      return special(types, (sentence, at) => this.#fault(at ?? node, sentence), operands);
    this.#checkLiterals(node, call, operands);
    return this.#overload(node, call, types);
  }

  #unknownFunction(node: Expr, name: string): ExpressionFault {
    if (name === 'has') return this.#fault(node, 'has() takes one field', 'Write it like has(claims.ref).');
    if (MACROS.has(name)) {
      const mend = `Write it like claims.groups.${name}(g, g == "admins").`;
      return this.#fault(node, `${name}() takes the name of a variable and a condition`, mend);
    }
    const near = nearest(name, [...FUNCTION_NAMES, ...MACROS]);
    const sentence = /^\w+$/.test(name)
      ? `there is no function "${name}"`
      : 'this operator cannot be used here';
    return this.#fault(node, sentence, near === undefined ? undefined : `Did you mean "${near}"?`);
  }

  #overload(node: Expr, { function: name, target }: Call, types: readonly ValueType[]): ValueType {
    const known = overloadsOf(name);
    const results = known
      .filter((func) => (func.target === undefined) === (target === undefined) && accepts(func, types))
      .map((func) => valueTypeOf(func.result));
    if (results.length > 0) return results.reduce(join);
    const given = types.map(typeName).join(', ');
    const wanted = [...new Set(known.map(describeOverload))].slice(0, 4).join('; ');
    const label = OPERATOR_NAMES.get(name) ?? name;
    throw this.#fault(node, `${label} does not take (${given})`, `It takes ${wanted}.`);
  }

  /** Patterns and zones must be there before a token is; and a time that no calendar has is better known now. */
  #checkLiterals(node: Expr, { function: name, target, args }: Call, operands: readonly Expr[]): void {
    const last = operands.at(-1);
    if (name === 'matches') this.#pattern(node, literalText(operands[1]), operands[1]);
    else if (target !== undefined && isCalendarMethod(name) && args.length > 0) {
      const zone = literalText(last);
      if (zone === undefined) throw this.#fault(node, 'a time zone must be written in the rule itself');
      if (!isZone(zone)) {
        throw this.#fault(
          last ?? node,
          'there is no such time zone',
          'Like "UTC", "Europe/Berlin" or "+02:00".',
        );
      }
    } else if (CONVERSIONS.has(name)) this.#constant(node, name, last);
  }

  #constant(node: Expr, name: string, literal: Expr | undefined): void {
    const text = literalText(literal);
    if (text === undefined) return;
    const value = plan(RULE_ENVIRONMENT, node)();
    if (isCelError(value))
      throw this.#fault(literal ?? node, `this text is no ${name}`, CONVERSIONS.get(name));
    this.constants.set(literalKey(name, text), value);
  }

  #pattern(node: Expr, pattern: string | undefined, place: Expr | undefined): void {
    if (pattern === undefined) {
      throw this.#fault(
        node,
        'a regular expression must be written in the rule itself',
        'Compare with "==", "in", startsWith() or endsWith() what is not known before.',
      );
    }
    try {
      if (!this.matchers.has(pattern)) this.matchers.set(pattern, compilePattern(pattern));
    } catch (error) {
      if (!(error instanceof PatternFault)) throw error;
      throw this.#fault(place ?? node, `the regular expression ${error.message}`, RE2_HINT);
    }
  }

  #loop(node: Expr, loop: Comprehension, scope: Scope): ValueType {
    const macro = `${this.#syntax.macroOf(node) ?? 'a macro'}()`;
    const range = this.typeOf(loop.iterRange, scope);
    if (!['dyn', 'list', 'map'].includes(range.name)) {
      throw this.#fault(node, `${macro} goes through a list or a map, not through ${described(range)}`);
    }
    if (VARIABLES.has(loop.iterVar) || TYPE_NAMES.includes(loop.iterVar)) {
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

const MACROS: ReadonlySet<string> = new Set(['all', 'exists', 'exists_one', 'map', 'filter']);

const RE2_HINT =
  'Look-around and back-references do not exist in RE2. In "…" a backslash is doubled; r"…" takes it as it is.';

/** Functions whose argument, when it is a literal, can be judged at once. */
const CONVERSIONS: ReadonlyMap<string, string> = new Map([
  ['timestamp', 'Write it like "2026-01-31T12:00:00Z".'],
  ['duration', 'Write it like "90m" or "1h30m".'],
  ['int', 'Write it like "42".'],
  ['uint', 'Write it like "42".'],
  ['double', 'Write it like "4.2".'],
  ['bool', 'Write "true" or "false".'],
]);

const LITERALS: ReadonlyMap<string, string> = new Map([
  ['boolValue', 'bool'],
  ['bytesValue', 'bytes'],
  ['doubleValue', 'double'],
  ['int64Value', 'int'],
  ['nullValue', 'null_type'],
  ['stringValue', 'string'],
  ['uint64Value', 'uint'],
]);

function accepts({ target, arguments: parameters }: CelFunc, types: readonly ValueType[]): boolean {
  const wanted = target === undefined ? parameters : [target, ...parameters];
  return (
    wanted.length === types.length && wanted.every((type, i) => fits(types[i] ?? DYN, valueTypeOf(type)))
  );
}

function describeOverload({ target, arguments: parameters }: CelFunc): string {
  const inside = parameters.map((type) => typeName(valueTypeOf(type))).join(', ');
  return target === undefined ? `(${inside})` : `${typeName(valueTypeOf(target))}.(${inside})`;
}
