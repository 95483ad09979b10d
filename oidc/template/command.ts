/** One command of a template: a value alone, or a function with its arguments. */
import type { DefinitionError } from '../core/definition-error.ts';
import { argumentsOf, typesOf } from './tree.ts';
import type { FunctionCall, Expression, FunctionName, GoType } from './tree.ts';

/** A word of a command. */
export type Operand =
  | { readonly kind: 'value'; readonly expression: Expression; readonly source: string; readonly at: number }
  | { readonly kind: 'dot'; readonly at: number }
  /** Anything that could be a function's name. */
  | { readonly kind: 'function'; readonly name: string; readonly at: number };

/** A command that was understood, and how Go prints it in an error. */
export interface Built {
  readonly expression: Expression;
  readonly source: string;
}

/** Makes the error for what stands at an offset. */
type Refuse = (at: number, reason: string, hint: string) => DefinitionError;

/** How many arguments a function takes. */
const FUNCTIONS: ReadonlyMap<string, readonly [least: number, most: number, example: string]> = new Map([
  ['eq', [2, Infinity, 'eq .claim "text"']],
  ['ne', [2, 2, 'ne .claim "text"']],
  ['and', [1, Infinity, 'and .claim .other']],
  ['or', [1, Infinity, 'or .claim .other']],
  ['not', [1, 1, 'not .claim']],
]);

const isFunction = (name: string): name is FunctionName => FUNCTIONS.has(name);

/** Puts a command together; `piped` is what a pipe hands it. Throws {@link DefinitionError}. */
export function buildCommand(operands: readonly Operand[], piped: Built | undefined, refuse: Refuse): Built {
  const [first, ...rest] = operands;
  if (first === undefined) throw new Error('a command has a word');
  if (first.kind === 'function') {
    if (first.name === 'index') return buildIndex(first.at, rest, piped, refuse);
    if (isFunction(first.name)) return buildCall(first.name, first.at, rest, piped, refuse);
    throw refuse(first.at, `there is no function ${first.name}`, `A claim has a dot: {{ .${first.name} }}.`);
  }
  if (first.kind === 'dot') throw aloneDot(first.at, refuse);
  if (piped !== undefined || rest.length > 0) throw notAFunction((rest[0] ?? first).at, piped, refuse);
  return first;
}

function buildCall(
  name: FunctionName,
  at: number,
  rest: readonly Operand[],
  piped: Built | undefined,
  refuse: Refuse,
): Built {
  const values = rest.map((operand) => requireValue(operand, refuse));
  const args = values.map(({ expression }) => expression);
  const source = [name, ...values.map((value) => value.source)].join(' ');
  const call: FunctionCall = { kind: 'call', name, args, piped: piped?.expression, source, at };
  checkCount(call, refuse);
  if (name === 'eq' || name === 'ne') checkTypes(call, refuse);
  return { expression: call, source };
}

/** `index . "name" "inner"`, where the names are written there: a claim must not choose which claim is read. */
function buildIndex(at: number, rest: readonly Operand[], piped: Built | undefined, refuse: Refuse): Built {
  const [where, ...keys] = rest;
  const steps = keys.map((key) => (key.kind === 'value' ? stepOf(key.expression) : undefined));
  if (piped !== undefined) steps.push(stepOf(piped.expression));
  const [name, ...inner] = steps.filter((step) => step !== undefined);
  const source = ['index .', ...keys.map((key) => (key.kind === 'value' ? key.source : ''))].join(' ');
  const isWhole = where?.kind === 'dot' && inner.length + 1 === steps.length;
  if (isWhole && typeof name === 'string')
    return { expression: { kind: 'index', path: [name, ...inner.map(String)] }, source };
  throw refuse(
    at,
    'index is understood only with a claim whose name stands there',
    'Write index . "claim", or index . "claim" "inner".',
  );
}

/** A name, or an index in a list. */
function stepOf(expression: Expression): string | number | undefined {
  if (expression.kind !== 'constant') return undefined;
  const { value } = expression;
  return typeof value === 'string' || (typeof value === 'number' && value >= 0) ? value : undefined;
}

function requireValue(operand: Operand, refuse: Refuse): Operand & { readonly kind: 'value' } {
  if (operand.kind === 'value') return operand;
  if (operand.kind === 'dot') throw aloneDot(operand.at, refuse);
  const { name, at } = operand;
  if (isFunction(name) || name === 'index') {
    const hint = `Write (${FUNCTIONS.get(name)?.[2] ?? 'index . "claim"'}).`;
    throw refuse(at, `${name} with its arguments needs parentheses around it here`, hint);
  }
  throw refuse(
    at,
    `there is no function ${name}`,
    `A claim has a dot (.${name}), a text has quotes ("${name}").`,
  );
}

function checkCount(call: FunctionCall, refuse: Refuse): void {
  const [least, most, example] = FUNCTIONS.get(call.name) ?? [0, Infinity, ''];
  const count = argumentsOf(call).length;
  if (count >= least && count <= most) return;
  const wish = `${least === most ? '' : 'at least '}${least} argument${least === 1 ? '' : 's'}`;
  throw refuse(call.at, `${call.name} wants ${wish} and has ${count}`, `Write ${example}.`);
}

const NOUNS: Readonly<Record<GoType, string>> = {
  string: 'a text',
  bool: 'true or false',
  int: 'a number',
};

/** In Go, comparing different types is a fault each time that it is evaluated. */
function checkTypes(call: FunctionCall, refuse: Refuse): void {
  const [first = [], ...others] = argumentsOf(call).map(typesOf);
  for (const other of others) {
    if (other.some((type) => first.includes(type))) continue;
    const nouns = [first, other].map((types) => types.map((type) => NOUNS[type]).join(' or '));
    const hint = 'Claims are texts: put what they are compared with between quotes, as in "true" or "1".';
    throw refuse(call.at, `${call.name} cannot compare ${nouns.join(' with ')}`, hint);
  }
}

const aloneDot = (at: number, refuse: Refuse): DefinitionError =>
  refuse(at, 'the dot alone would be all claims together', 'Write one of them: {{ .claim }}.');

function notAFunction(at: number, piped: Built | undefined, refuse: Refuse): DefinitionError {
  return piped === undefined
    ? refuse(at, 'only functions take arguments', 'Write one claim in each pair of braces.')
    : refuse(
        at,
        'behind a pipe only a function can stand',
        'Write .claim | eq "text", or leave the pipe out.',
      );
}
