/** What a template says, once it is understood. */

/** The value of an expression: a claim's text, the result of eq, ne or not, or a number that was written there. */
export type Value = string | boolean | number;

/** Go's name of a value's type; clients see it in error texts. */
export type GoType = 'string' | 'bool' | 'int';

/** The name of a claim, then the names of members (or the indexes in lists, from 0) inside of it. */
export type ClaimPath = readonly [name: string, ...inner: string[]];

/** The functions there are. */
export type FunctionName = 'eq' | 'ne' | 'and' | 'or' | 'not';

/** A function with its arguments. */
export interface FunctionCall {
  readonly kind: 'call';
  readonly name: FunctionName;
  readonly args: readonly Expression[];
  /** What a pipe hands over: the last argument, and the first that is evaluated. */
  readonly piped: Expression | undefined;
  /** As Go prints it in errors, and where it begins. */
  readonly source: string;
  readonly at: number;
}

/** Something with a value. */
export type Expression =
  | { readonly kind: 'constant'; readonly value: Value }
  /** `.name` or `.name.inner`: a claim that must be there. */
  | { readonly kind: 'claim'; readonly path: ClaimPath; readonly at: number }
  /** `index . "name"` or `index . "name" "inner"`: a claim that is empty where it is missing. */
  | { readonly kind: 'index'; readonly path: ClaimPath }
  | FunctionCall;

/** A piece of a template. */
export type TemplateNode =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'print'; readonly expression: Expression }
  | {
      readonly kind: 'if';
      readonly branches: readonly Branch[];
      readonly otherwise: readonly TemplateNode[];
    };

/** One condition of an `if` and what it guards. */
export interface Branch {
  readonly condition: Expression;
  readonly body: readonly TemplateNode[];
}

/** Go's type of a value. */
export const typeOf = (value: Value): GoType =>
  typeof value === 'string' ? 'string' : typeof value === 'number' ? 'int' : 'bool';

/** The types that an expression can have: and, or return one of their arguments. */
export function typesOf(expression: Expression): readonly GoType[] {
  if (expression.kind === 'claim' || expression.kind === 'index') return ['string'];
  if (expression.kind === 'constant') return [typeOf(expression.value)];
  if (expression.name !== 'and' && expression.name !== 'or') return ['bool'];
  return [...new Set(argumentsOf(expression).flatMap(typesOf))];
}

/** All arguments of a call, in the order in which the function sees them. */
export const argumentsOf = ({ args, piped }: FunctionCall): readonly Expression[] =>
  piped === undefined ? args : [...args, piped];
