/** Evaluates a template over the claims of one token. */
import { typeOf } from './tree.ts';
import type {
  FunctionCall,
  ClaimPath,
  Expression,
  FunctionName,
  GoType,
  TemplateNode,
  Value,
} from './tree.ts';

/** The value that a template finds under a path; undefined when there is none. */
export type Lookup = (path: ClaimPath) => string | undefined;

/** Why the value under a path must not stand in the name of a certificate, which has to be of one token only; undefined when
 * it may. */
export type Judge = (path: ClaimPath) => string | undefined;

/** Why a template has no result. */
export type TemplateFailure =
  /** There is no value of this name. */
  | { readonly reason: 'missing'; readonly name: string; readonly goMessage: string | undefined }
  /** The value of this name cannot stand in the name of a certificate, by the {@link Judge}. */
  | {
      readonly reason: 'unfit';
      readonly name: string;
      readonly why: string;
      readonly goMessage: string | undefined;
    }
  /** An eq or ne met values of two types. */
  | { readonly reason: 'incomparable'; readonly goMessage: string }
  /** The result is longer than {@link MAX_RESULT_LENGTH}. */
  | { readonly reason: 'too long' };

/** Longest result, in UTF-16 units: more than any certificate takes, so that repeated claims cannot eat memory. */
export const MAX_RESULT_LENGTH = 32 * 1024;

/** How a path is written in a message and in the name of a default. */
export const pathText = (path: ClaimPath): string => (path.length === 1 ? path[0] : path.join('.'));

/** Fills a template in. `text` is where the nodes came from, for error texts. With `judge` what is printed must be fit for a
 * name: of claims that it accepts, and not empty. The time is proportional to the template's size and the result's. */
export function evaluateTemplate(
  text: string,
  nodes: readonly TemplateNode[],
  lookup: Lookup,
  judge?: Judge,
): string | TemplateFailure {
  try {
    return new Evaluation(text, lookup, judge).run(nodes);
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
  readonly #judge: Judge | undefined;
  /** Whether what is evaluated will stand in a name. */
  #isNamed = false;
  #out = '';

  constructor(text: string, lookup: Lookup, judge: Judge | undefined) {
    this.#text = text;
    this.#lookup = lookup;
    this.#judge = judge;
  }

  run(nodes: readonly TemplateNode[]): string {
    this.#walk(nodes);
    return this.#out;
  }

  #walk(nodes: readonly TemplateNode[]): void {
    for (const node of nodes) {
      if (node.kind === 'text') this.#write(node.text);
      else if (node.kind === 'print') this.#print(node.expression);
      else
        this.#walk(
          node.branches.find(({ condition }) => isTrue(this.#value(condition)))?.body ?? node.otherwise,
        );
    }
  }

  #print(expression: Expression): void {
    this.#isNamed = this.#judge !== undefined;
    const text = String(this.#value(expression));
    this.#isNamed = false;
    if (text === '' && this.#judge !== undefined) throw this.#unfit(expression, 'empty');
    this.#write(text);
  }

  #unfit(expression: Expression, why: string): Interruption {
    const isClaim = expression.kind === 'claim';
    const name = isClaim || expression.kind === 'index' ? pathText(expression.path) : 'what it chooses';
    const goMessage = isClaim ? missingWords(this.#text, expression.at, name) : undefined;
    return new Interruption({ reason: 'unfit', name, why, goMessage });
  }

  #write(text: string): void {
    if (this.#out.length + text.length > MAX_RESULT_LENGTH) throw new Interruption({ reason: 'too long' });
    this.#out += text;
  }

  #value(expression: Expression): Value {
    if (expression.kind === 'constant') return expression.value;
    if (expression.kind === 'call') return this.#call(expression);
    const { path } = expression;
    const why = this.#isNamed ? this.#judge?.(path) : undefined;
    if (why !== undefined) throw this.#unfit(expression, why);
    if (expression.kind === 'index') return this.#lookup(path) ?? '';
    const value = this.#lookup(path);
    if (value !== undefined) return value;
    const name = pathText(path);
    // Fulcio knows no members of claims, and so has no words for one that is missing.
    const goMessage = path.length === 1 ? missingWords(this.#text, expression.at, name) : undefined;
    throw new Interruption({ reason: 'missing', name, goMessage });
  }

  #call(call: FunctionCall): Value {
    // A pipe's left side is evaluated even where and, or need not look at it.
    const piped = call.piped === undefined ? undefined : this.#value(call.piped);
    if (call.name === 'and' || call.name === 'or') return this.#choose(call, call.name === 'or', piped);
    const values = call.args.map((arg) => this.#value(arg));
    if (piped !== undefined) values.push(piped);
    return COMPARE[call.name](values, (a, b) => this.#areEqual(call, a, b));
  }

  /** The first argument whose truth is `wanted`, without looking at those behind it; else the last one. */
  #choose(call: FunctionCall, wanted: boolean, piped: Value | undefined): Value {
    let value: Value = '';
    for (const arg of call.args) {
      value = this.#value(arg);
      if (isTrue(value) === wanted) return value;
    }
    return piped ?? value;
  }

  #areEqual(call: FunctionCall, a: Value, b: Value): boolean {
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

/** What Go's text/template says where it cannot fill a template in, which clients of Fulcio are shown. Line from 1, column in bytes of UTF-8 from 0, as Go counts. */
function goPosition(text: string, at: number): string {
  const start = text.lastIndexOf('\n', at - 1) + 1;
  const line = text.slice(0, start).split('\n').length;
  return `template: :${line}:${Buffer.byteLength(text.slice(start, at))}`;
}

/** A claim that is missing, whose name begins with its dot at `at`. */
const missingWords = (text: string, at: number, name: string): string =>
  `${goPosition(text, at)}: executing "" at <.${name}>: map has no entry for key "${name}"`;

/** Two values that eq or ne cannot compare. */
const comparisonWords = (text: string, call: FunctionCall, a: GoType, b: GoType): string =>
  `${goPosition(text, call.at)}: executing "" at <${call.source}>: error calling ${call.name}: ` +
  `incompatible types for comparison: ${a} and ${b}`;
