/** The types of operators that take more than a fixed list of types. */
import type { ExpressionFault } from './rule-error.ts';
import { literalText } from './path.ts';
import type { Expr } from './syntax.ts';
import {
  BOOL,
  comparable,
  described,
  DYN,
  fits,
  INT,
  join,
  STRING,
  typeName,
  type ValueType,
} from './value-type.ts';

/** The type that an operator has for the types of its operands; throws what `fault` makes, about the operator or about one
 * of its operands. */
type Operator = (
  types: readonly ValueType[],
  fault: (sentence: string, at?: Expr) => ExpressionFault,
  operands: readonly Expr[],
) => ValueType;

const logical =
  (sign: string): Operator =>
  (types, fault, operands) => {
    for (const [i, type] of types.entries()) {
      if (!fits(type, BOOL)) throw fault(`${sign} takes bools, not ${described(type)}`, operands[i]);
    }
    return BOOL;
  };

const equality: Operator = ([left = DYN, right = DYN], fault) => {
  if (!comparable(left, right)) {
    throw fault(`${described(left)} and ${described(right)} are never equal`);
  }
  return BOOL;
};

const membership: Operator = ([element = DYN, container = DYN], fault) => {
  if (!['list', 'map', 'dyn'].includes(container.name)) {
    throw fault(`"in" looks into a list or a map, not into ${described(container)}`);
  }
  const inside = container.name === 'list' ? (container.element ?? DYN) : DYN;
  if (!comparable(element, inside)) {
    throw fault(`${described(element)} is never in a list of ${typeName(inside)}`);
  }
  return BOOL;
};

const choice: Operator = ([condition = DYN, yes = DYN, no = DYN], fault, [first]) => {
  if (!fits(condition, BOOL))
    throw fault(`the condition before "?" is ${described(condition)}, not a bool`, first);
  return join(yes, no);
};

const index: Operator = ([container = DYN, key = DYN], fault, operands) => {
  if (container.name === 'dyn') return DYN;
  if (container.name === 'list' && fits(key, INT)) return container.element ?? DYN;
  if (container.name === 'map' && fits(key, STRING)) {
    if (container.fields === undefined) return container.element ?? DYN;
    const name = literalText(operands[1]);
    const type = name === undefined ? DYN : container.fields.get(name);
    if (type === undefined) throw fault(`there is no field "${name ?? ''}" here`);
    return type;
  }
  if (container.name === 'map' && container.fields === undefined) return container.element ?? DYN;
  throw fault(`${described(container)} has no element for ${described(key)}`);
};

/** Operators whose types no list of overloads describes, by the name that the parser has for them. */
export const OPERATORS: ReadonlyMap<string, Operator> = new Map([
  ['_&&_', logical('&&')],
  ['_||_', logical('||')],
  ['@not_strictly_false', () => BOOL],
  ['_==_', equality],
  ['_!=_', equality],
  ['@in', membership],
  ['_?_:_', choice],
  ['_[_]', index],
]);

/** How operators are written, by the name that the parser has for them. */
export const OPERATOR_NAMES: ReadonlyMap<string, string> = new Map([
  ...['+', '-', '*', '/', '%', '<', '<=', '>', '>='].map((sign): [string, string] => [
    `_${sign}_`,
    `"${sign}"`,
  ]),
  ['!_', '"!"'],
  ['-_', '"-"'],
]);
