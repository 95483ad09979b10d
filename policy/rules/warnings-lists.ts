/**
 * Warns of allow rules that an empty list meets: `all` is true of nothing. The expression is evaluated on what is known
 * without a token, once as if the `all` held and once as if it did not.
 *
 * Evaluating is shorter here than recognising: a rule can demand an element in a dozen ways (`size(l) > 0`, `l != []`,
 * `"x" in l`, `exists`, `l[0]`, `filter(…).size() > 0`, negations and choices of those), and each stands anywhere among
 * `&&`, `||`, `!` and `?:`. An operator takes one line in a table below; a way to write the demand would take a case each.
 */
import { pathOf } from './path.ts';
import { partsOf, type Comprehension, type Expr } from './syntax.ts';
import { VARIABLES } from './value-type.ts';
import type { Weakness, RuleUnderCheck } from './rule-under-check.ts';

/** The first `all` over each list of which the rule does not demand an element. */
export function emptyLists({ rule, nodes, expression: { syntax } }: RuleUnderCheck): Weakness[] {
  if (rule.effect !== 'allow') return [];
  const warned = new Set<string>();
  return nodes.flatMap((node) => {
    const range = syntax.macroOf(node) === 'all' ? rangeOf(node) : undefined;
    if (range === undefined || isNeverEmpty(range)) return [];
    const shape = shapeOf(range);
    const outcome = (held: boolean): number =>
      chance(knownValue(syntax.root, { empty: shape, all: node, held }));
    const holding = outcome(true);
    if (warned.has(shape) || holding === 0 || holding <= outcome(false)) return [];
    warned.add(shape);
    const path = pathOf(range);
    const message = `all() also holds when ${path ?? 'the list'} is empty`;
    return [{ node, message, hint: `Demand an element as well: size(${path ?? '…'}) > 0 && …` }];
  });
}

/** What a part is known to be; undefined when that depends on the token. `fails` is no value: it ends in a refusal. */
type Known = boolean | number | 'empty' | 'fails' | undefined;

/** Whether an expression of that value holds: 0 never, 1 perhaps, 2 always. */
const chance = (value: Known): number => (value === true ? 2 : value === undefined ? 1 : 0);

const rangeOf = ({ exprKind }: Expr): Expr | undefined =>
  exprKind.case === 'comprehensionExpr' ? exprKind.value.iterRange : undefined;

/** Claims always have an `iss`, a text has at least one part, and what the rule lists is there. */
function isNeverEmpty(range: Expr): boolean {
  const { exprKind } = range;
  if (exprKind.case === 'listExpr' || exprKind.case === 'structExpr') return partsOf(range).length > 0;
  return exprKind.case === 'identExpr'
    ? VARIABLES.has(exprKind.value.name)
    : exprKind.case === 'callExpr' && exprKind.value.function === 'split';
}

/** Equal for parts that are written alike, wherever they stand. */
const shapeOf = (node: Expr): string =>
  JSON.stringify(node, (key, value: unknown) =>
    key === 'id' ? undefined : typeof value === 'bigint' ? String(value) : value,
  );

type Evaluate = (values: readonly Known[]) => Known;

const not: Evaluate = ([value]) => (typeof value === 'boolean' ? !value : value);
const sizeOf: Evaluate = ([list]) => (list === 'empty' ? 0 : undefined);
const isIn: Evaluate = ([, list]) => (list === 'empty' ? false : undefined);
const elementOf: Evaluate = ([list]) => (list === 'empty' ? 'fails' : undefined);

const equality =
  (wanted: boolean): Evaluate =>
  ([left, right]) =>
    left === undefined || right === undefined ? undefined : (left === right) === wanted;

const order =
  (holds: (left: number, right: number) => boolean): Evaluate =>
  ([left, right]) =>
    typeof left === 'number' && typeof right === 'number' ? holds(left, right) : undefined;

/** What fails in a condition of several leaves the others to decide; it never makes them hold. */
const both: Evaluate = (values) => {
  const chances = values.map(chance);
  return chances.includes(0) ? false : chances.includes(1) ? undefined : true;
};
const either: Evaluate = (values) => {
  const chances = values.map(chance);
  return chances.includes(2) ? true : chances.includes(1) ? undefined : false;
};
const choice: Evaluate = ([condition, yes, no]) => {
  if (condition === undefined) return yes === no ? yes : undefined;
  return typeof condition === 'boolean' ? (condition ? yes : no) : 'fails';
};

/** Functions that make something of a failure or of one side alone; any other fails when one of its operands does. */
const LENIENT: ReadonlyMap<string, Evaluate> = new Map([
  ['_&&_', both],
  ['_||_', either],
  ['_?_:_', choice],
]);

const STRICT: ReadonlyMap<string, Evaluate> = new Map([
  ['!_', not],
  ['size', sizeOf],
  ['@in', isIn],
  ['_[_]', elementOf],
  ['_==_', equality(true)],
  ['_!=_', equality(false)],
  ['_<_', order((left, right) => left < right)],
  ['_<=_', order((left, right) => left <= right)],
  ['_>_', order((left, right) => left > right)],
  ['_>=_', order((left, right) => left >= right)],
]);

/** What an evaluation takes for granted: the lists of a shape are empty, and one `all` holds or does not. */
interface Assumption {
  readonly empty: string;
  readonly all: Expr;
  readonly held: boolean;
}

function knownValue(node: Expr, assumed: Assumption): Known {
  if (node === assumed.all) return assumed.held;
  if (shapeOf(node) === assumed.empty) return 'empty';
  const { exprKind } = node;
  if (exprKind.case === 'constExpr') {
    const { constantKind } = exprKind.value;
    if (constantKind.case === 'int64Value') return Number(constantKind.value);
    return constantKind.case === 'boolValue' ? constantKind.value : undefined;
  }
  if (exprKind.case === 'listExpr') return partsOf(node).length === 0 ? 'empty' : undefined;
  if (exprKind.case === 'comprehensionExpr') return valueOfLoop(exprKind.value, assumed);
  const values = partsOf(node).map((part) => knownValue(part, assumed));
  const name = exprKind.case === 'callExpr' ? exprKind.value.function : '';
  const lenient = LENIENT.get(name);
  if (lenient !== undefined) return lenient(values);
  return values.includes('fails') ? 'fails' : STRICT.get(name)?.(values);
}

/** Over nothing a macro is what it starts with; over an unknown list it may be what its body is. */
function valueOfLoop({ iterRange, accuInit, loopStep }: Comprehension, assumed: Assumption): Known {
  const start = accuInit && knownValue(accuInit, assumed);
  if (iterRange !== undefined && knownValue(iterRange, assumed) === 'empty')
    return typeof start === 'number' ? false : start;
  const body = loopStep === undefined ? undefined : partsOf(loopStep)[1];
  return typeof start === 'boolean' && body !== undefined ? knownValue(body, assumed) : undefined;
}
