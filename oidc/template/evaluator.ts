/** What a template gives for the claims of one token. */
import { comparisonWords, missingWords } from './go-words.ts';
import { typeOf } from './tree.ts';
import type { Call, Expression, FunctionName, Node, Value } from './tree.ts';

/** The value that a template finds under a name; undefined when there is none. */
export type Lookup = (name: string) => string | undefined;

/** Why a template gives nothing. */
export type TemplateFailure =
  /** Nobody has a value of this name. */
  | { readonly reason: 'missing'; readonly name: string; readonly goMessage: string | undefined }
  /** An eq or ne met values of two types. */
  | { readonly reason: 'incomparable'; readonly goMessage: string }
  /** The result is longer than {@link MAX_RESULT_LENGTH}. */
  | { readonly reason: 'too long' };

/** Longest result, in UTF-16 units: more than any certificate takes, so that repeated claims cannot eat memory. */
export const MAX_RESULT_LENGTH = 32 * 1024;

/** Fills a template in. `text` is where the nodes came from, for error texts. The time is proportional to the
 * template's size and the result's. */
export function evaluateTemplate(
  text: string,
  nodes: readonly Node[],
  lookup: Lookup,
): string | TemplateFailure {
  try {
    return new Evaluation(text, lookup).run(nodes);
  } catch (error) {
    if (error instanceof Interruption) return error.failure;
    throw error;
  }
}

/** Leaves the walk through the tree; never leaves this file. */
class Interruption extends Error {
  readonly failure: TemplateFailure;

  constructor(failure: TemplateFailure) {
    super(failure.reason);
    this.failure = failure;
  }
}

const isTrue = (value: Value): boolean => value !== '' && value !== false && value !== 0;

class Evaluation {
  readonly #text: string;
  readonly #lookup: Lookup;
  #out = '';

  constructor(text: string, lookup: Lookup) {
    this.#text = text;
    this.#lookup = lookup;
  }

  run(nodes: readonly Node[]): string {
    this.#walk(nodes);
    return this.#out;
  }

  #walk(nodes: readonly Node[]): void {
    for (const node of nodes) {
      if (node.kind === 'text') this.#write(node.text);
      else if (node.kind === 'print') this.#write(String(this.#value(node.expression)));
      else
        this.#walk(
          node.branches.find(({ condition }) => isTrue(this.#value(condition)))?.body ?? node.otherwise,
        );
    }
  }

  #write(text: string): void {
    if (this.#out.length + text.length > MAX_RESULT_LENGTH) throw new Interruption({ reason: 'too long' });
    this.#out += text;
  }

  #value(expression: Expression): Value {
    if (expression.kind === 'constant') return expression.value;
    if (expression.kind === 'index') return this.#lookup(expression.name) ?? '';
    if (expression.kind === 'call') return this.#call(expression);
    const value = this.#lookup(expression.name);
    if (value !== undefined) return value;
    const { name, at } = expression;
    throw new Interruption({ reason: 'missing', name, goMessage: missingWords(this.#text, at, name) });
  }

  #call(call: Call): Value {
    // A pipe's left side is evaluated even where and, or need not look at it.
    const piped = call.piped === undefined ? undefined : this.#value(call.piped);
    if (call.name === 'and' || call.name === 'or') return this.#choose(call, call.name === 'or', piped);
    const values = call.args.map((arg) => this.#value(arg));
    if (piped !== undefined) values.push(piped);
    return COMPARE[call.name](values, (a, b) => this.#areEqual(call, a, b));
  }

  /** The first argument whose truth is `wanted`, without looking at those behind it; else the last one. */
  #choose(call: Call, wanted: boolean, piped: Value | undefined): Value {
    let value: Value = '';
    for (const arg of call.args) {
      value = this.#value(arg);
      if (isTrue(value) === wanted) return value;
    }
    return piped ?? value;
  }

  #areEqual(call: Call, a: Value, b: Value): boolean {
    if (typeof a === typeof b) return a === b;
    const goMessage = comparisonWords(this.#text, call, typeOf(a), typeOf(b));
    throw new Interruption({ reason: 'incomparable', goMessage });
  }
}

type AreEqual = (a: Value, b: Value) => boolean;

const COMPARE: Readonly<
  Record<Exclude<FunctionName, 'and' | 'or'>, (values: Value[], are: AreEqual) => boolean>
> = {
  eq: ([first = '', ...others], areEqual) => others.some((other) => areEqual(first, other)),
  ne: ([first = '', other = ''], areEqual) => !areEqual(first, other),
  not: ([value = '']) => !isTrue(value),
};
