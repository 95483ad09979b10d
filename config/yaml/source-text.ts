import type { ConfigProblem, Position } from '../findings/config-error.ts';

const MAX_PROBLEMS = 20;

/** The text of a file: finds lines and columns in it, and collects what is wrong there. */
export class SourceText {
  readonly problems: ConfigProblem[] = [];
  readonly text: string;
  readonly #lineStarts: readonly number[];

  constructor(text: string) {
    this.text = text;
    this.#lineStarts = [0, ...Array.from(text.matchAll(/\n/g), (match) => match.index + 1)];
  }

  /** Line and column of an offset, in logarithmic time. */
  position(offset: number): Position {
    let low = 0;
    let high = this.#lineStarts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#lineStarts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - (this.#lineStarts[low] ?? 0) + 1 };
  }

  /** Notes a fault, once for each line, and only the first few. */
  problem(offset: number, message: string, hint?: string): void {
    const position = this.position(offset);
    const last = this.problems.at(-1);
    const isRepeated = last?.message === message && last.line === position.line;
    if (isRepeated || this.problems.length === MAX_PROBLEMS) return;
    this.problems.push({ path: '', ...position, message, hint });
  }
}
