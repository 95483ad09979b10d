import { LineCounter } from 'yaml';
import type { ConfigProblem, Position } from '../findings/config-error.ts';

const MAX_PROBLEMS = 20;

/** The text of a file: finds lines and columns in it, and collects what is wrong there. */
export class SourceText {
  readonly problems: ConfigProblem[] = [];
  readonly text: string;
  readonly #lines = new LineCounter();

  constructor(text: string) {
    this.text = text;
    this.#lines.addNewLine(0);
    for (const { index } of text.matchAll(/\n/g)) this.#lines.addNewLine(index + 1);
  }

  /** Line and column of an offset, in logarithmic time. */
  position(offset: number): Position {
    const { line, col } = this.#lines.linePos(offset);
    return { line, column: col };
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
