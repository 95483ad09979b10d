/** What was made of an expression's literals when it was loaded, and is looked up when it is evaluated. */
import type { CelValue } from '@bufbuild/cel';
import type { Matcher } from './regex.ts';

/** The literals of one expression, ready for use. */
export interface Literals {
  /** Compiled patterns of `matches`, by their text. */
  readonly matchers: ReadonlyMap<string, Matcher>;
  /** The values of `duration("5m")` and the like, by {@link literalKey}. */
  readonly constants: ReadonlyMap<string, CelValue>;
}

/** Under which name {@link Literals.constants} holds a conversion. */
export const literalKey = (name: string, text: string): string => `${name} ${text}`;

const NOTHING: Literals = { matchers: new Map(), constants: new Map() };
let literals = NOTHING;

/** Sets the literals of the expression that is evaluated next. */
export function useLiterals(next: Literals | undefined): void {
  literals = next ?? NOTHING;
}

/** Those of the expression that is evaluated now. */
export const literalsInUse = (): Literals => literals;
