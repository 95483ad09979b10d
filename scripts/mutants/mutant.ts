/**
 * A small wrong change of one file: the text that it replaces, which stands there exactly once, and what it puts there.
 * A test must fail under it.
 */
export type Mutant = readonly [
  /** What the changed program does wrong, as the rest of a sentence: "accepts an expired certificate". */
  wrong: string,
  text: string,
  replacement: string,
  /** Why no test can fail: the changed program does the same as before. Only of a mutant that may survive. */
  equivalent?: string,
];

/** Mutants of one file, and the test files that judge it: the smallest set that one would run after a change there. */
export interface MutatedFile {
  readonly file: string;
  readonly tests: readonly string[];
  readonly mutants: readonly Mutant[];
}

/** How often the text that a mutant replaces is in the source of its file. Anything but 1 means that the list is stale. */
export const placesOf = (source: string, [, text]: Mutant): number => source.split(text).length - 1;
