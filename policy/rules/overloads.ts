/** Which of the functions of a name a call means, and what to say when it is none. */
import type { CelFunc } from '@bufbuild/cel';
import { nearest } from '../../core/nearest.ts';
import { FUNCTION_NAMES, overloadsOf } from './functions.ts';
import { OPERATOR_NAMES } from './operators.ts';
import type { ExpressionFault } from './rule-error.ts';
import type { Call } from './syntax.ts';
import { DYN, fits, join, typeName, valueTypeOf, type ValueType } from './value-type.ts';

type Fault = (sentence: string, hint?: string) => ExpressionFault;

const MACROS: ReadonlySet<string> = new Set(['all', 'exists', 'exists_one', 'map', 'filter']);

/** The fault of a call of a function that is not there. */
export function unknownFunction(name: string, fault: Fault): ExpressionFault {
  if (name === 'has') return fault('has() takes one field', 'Write it like has(claims.ref).');
  if (MACROS.has(name)) {
    const hint = `Write it like claims.groups.${name}(g, g == "admins").`;
    return fault(`${name}() takes the name of a variable and a condition`, hint);
  }
  const near = nearest(name, [...FUNCTION_NAMES, ...MACROS]);
  const sentence = /^\w+$/.test(name)
    ? `there is no function "${name}"`
    : 'this operator cannot be used here';
  return fault(sentence, near === undefined ? undefined : `Did you mean "${near}"?`);
}

/** The type of a call for operands of these types, its target first. Throws what `fault` makes when no function
 * of the name takes them. */
export function resultOfCall(
  { function: name, target }: Call,
  types: readonly ValueType[],
  fault: Fault,
): ValueType {
  const known = overloadsOf(name);
  const results = known
    .filter((func) => (func.target === undefined) === (target === undefined) && accepts(func, types))
    .map((func) => valueTypeOf(func.result));
  if (results.length > 0) return results.reduce(join);
  const given = types.map(typeName).join(', ');
  const wanted = [...new Set(known.map(describeOverload))].slice(0, 4).join('; ');
  const label = OPERATOR_NAMES.get(name) ?? name;
  throw fault(`${label} does not take (${given})`, `It takes ${wanted}.`);
}

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
