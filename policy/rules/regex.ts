/**
 * Regular expressions of rules: RE2 syntax, matched in time linear in the text, and bounded beyond that.
 *
 * The engine builds a deterministic automaton as it goes and, when that grows too large, falls back to a simulation
 * that costs up to the square of the pattern's size for each character. So the automaton is kept small, the fallback is
 * shut, and a text for which an empty automaton does not suffice is not matched at all: the rule fails.
 */
import { RE2JS } from '@bufbuild/re2';
import { charge, giveUp } from './meter.ts';

const MAX_PATTERN = 1000;
const MAX_INSTRUCTIONS = 1000;
/** States of one automaton; each takes a kilobyte and more. */
const MAX_STATES = 500;
/** Instructions times states, which is what building them costs. */
const MAX_BUILDING = 50_000;
/** `\A`, or `^` without `(?m)`, as the engine notes it for what every match starts with. */
const BEGIN_TEXT = 4;
const NO_MATCH = -1;

/** A pattern that cannot be used; the message says why and does not repeat it. */
export class PatternFault extends Error {}

/** A compiled pattern; found anywhere in the text unless it is anchored. */
export interface Matcher {
  /** Whether a match can only begin where the text does. */
  readonly anchored: boolean;
  /** Throws `BudgetExhausted` when the text costs too much. */
  test(text: string): boolean;
}

/** Compiles; throws {@link PatternFault}. */
export function compilePattern(pattern: string): Matcher {
  if (pattern.length > MAX_PATTERN) throw new PatternFault(`is longer than ${MAX_PATTERN} characters`);
  const plain = engine(pattern);
  const { cond, prog } = plain.re2();
  if (prog.numInst() > MAX_INSTRUCTIONS)
    throw new PatternFault('is too large when its repetitions are written out');
  // Anchored at the start, "found somewhere" and "the whole text is this and then anything" are the same question, and
  // the engine answers the second without starting anew at each character.
  const anchored = cond !== NO_MATCH && (cond & BEGIN_TEXT) !== 0;
  return new BoundedMatcher(anchored ? `(?:${pattern})(?s:.*)` : pattern, anchored);
}

function engine(pattern: string): RE2JS {
  try {
    return RE2JS.compile(pattern);
  } catch (error) {
    const reason =
      error instanceof Error ? error.message.replace(/^error parsing regexp: /, '') : 'no reason';
    throw new PatternFault(`cannot be compiled: ${reason}`);
  }
}

class AutomatonFull extends Error {}

class BoundedMatcher implements Matcher {
  readonly #pattern: string;
  readonly anchored: boolean;
  #engine: RE2JS;
  readonly #costPerCharacter: number;

  constructor(pattern: string, anchored: boolean) {
    this.#pattern = pattern;
    this.anchored = anchored;
    this.#engine = this.#fresh();
    this.#costPerCharacter = 4 + (this.#engine.re2().prog.numInst() >> 4);
  }

  test(text: string): boolean {
    charge(1 + text.length * this.#costPerCharacter);
    const known = this.#tryOn(text);
    if (known !== undefined) return known;
    // The automaton was full, perhaps with what other texts left there.
    this.#engine = this.#fresh();
    const answer = this.#tryOn(text);
    if (answer !== undefined) return answer;
    this.#engine = this.#fresh();
    return giveUp();
  }

  /** Undefined when the automaton would outgrow its bound. */
  #tryOn(text: string): boolean | undefined {
    try {
      return this.anchored ? this.#engine.testExact(text) : this.#engine.test(text);
    } catch (error) {
      if (error instanceof AutomatonFull) return undefined;
      throw error;
    }
  }

  #fresh(): RE2JS {
    const fresh = RE2JS.compile(this.#pattern);
    const re2 = fresh.re2();
    re2.dfa.stateLimit = Math.min(MAX_STATES, Math.ceil(MAX_BUILDING / re2.prog.numInst()));
    re2._nfaFallback = () => {
      throw new AutomatonFull();
    };
    return fresh;
  }
}
