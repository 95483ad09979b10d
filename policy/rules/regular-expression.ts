/**
 * Regular expressions of an operator for texts of others: RE2 syntax, matched in time linear in the text, and bounded
 * beyond that.
 *
 * The engine builds a deterministic automaton as it goes and, when that grows too large, falls back to a simulation
 * that costs up to the square of the pattern's size for each character. So the automaton is kept small, the fallback is
 * shut, and a text for which an empty automaton does not suffice is not matched at all.
 */
import { RE2JS } from '@bufbuild/re2';

const MAX_PATTERN = 1000;
const MAX_INSTRUCTIONS = 1000;
/** States of one automaton; each takes a kilobyte and more. */
const MAX_STATES = 500;
/** Instructions times states, which is what building them costs. */
const MAX_BUILDING = 50_000;
/** `\A`, or `^` without `(?m)`, as the engine notes it for what every match starts with. */
const BEGIN_TEXT = 4;
const NO_MATCH = -1;

/** A pattern that cannot be used; the message says why, begins with a verb, and does not repeat the pattern. */
export class PatternFault extends Error {}

/** A compiled pattern. Both questions take time linear in the text; undefined means that the automaton would outgrow its
 * bound, so that nothing is known. */
export interface RegularExpression {
  /** Whether a match can only begin where the text does. */
  readonly anchored: boolean;
  /** Size of the compiled pattern. */
  readonly instructions: number;
  /** Whether some part of the text matches. */
  isFoundIn(text: string): boolean | undefined;
  /** Whether the whole text matches. */
  isAllOf(text: string): boolean | undefined;
}

/** Compiles; throws {@link PatternFault}. */
export function compileRegularExpression(pattern: string): RegularExpression {
  if (pattern.length > MAX_PATTERN) throw new PatternFault(`is longer than ${MAX_PATTERN} characters`);
  const { cond, prog } = engine(pattern).re2();
  const instructions = prog.numInst();
  if (instructions > MAX_INSTRUCTIONS)
    throw new PatternFault('is too large when its repetitions are written out');
  const whole = new Automaton(pattern);
  // Anchored at the start, "found somewhere" and "the whole text is this and then anything" are the same question, and
  // the engine answers the second without starting anew at each character.
  const anchored = cond !== NO_MATCH && (cond & BEGIN_TEXT) !== 0;
  const somewhere = anchored ? new Automaton(`(?:${closed(pattern)})(?s:.*)`) : whole;
  return {
    anchored,
    instructions,
    isFoundIn: (text) => somewhere.ask((re) => (anchored ? re.testExact(text) : re.test(text))),
    isAllOf: (text) => whole.ask((re) => re.testExact(text)),
  };
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

/** A valid pattern as one that something may follow: RE2 takes `\Q` without `\E` as a quotation up to the end. Outside
 * of a quotation `\E` is no escape. */
function closed(pattern: string): string {
  try {
    RE2JS.compile(`${pattern}\\E`);
    return `${pattern}\\E`;
  } catch {
    return pattern;
  }
}

class AutomatonFull extends Error {}

class Automaton {
  readonly #pattern: string;
  #engine: RE2JS | undefined;

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  /** Undefined when even an empty automaton does not suffice. */
  ask(question: (engine: RE2JS) => boolean): boolean | undefined {
    // The first may be full with what other texts left there.
    return this.#tryOn(question) ?? this.#tryOn(question);
  }

  #tryOn(question: (engine: RE2JS) => boolean): boolean | undefined {
    try {
      return question((this.#engine ??= fresh(this.#pattern)));
    } catch (error) {
      if (!(error instanceof AutomatonFull)) throw error;
      this.#engine = undefined;
      return undefined;
    }
  }
}

function fresh(pattern: string): RE2JS {
  const made = RE2JS.compile(pattern);
  const re2 = made.re2();
  re2.dfa.stateLimit = Math.min(MAX_STATES, Math.ceil(MAX_BUILDING / re2.prog.numInst()));
  re2._nfaFallback = () => {
    throw new AutomatonFull();
  };
  return made;
}
