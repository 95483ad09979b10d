import { pathText, type ConfigProblem, type Position } from './config-error.ts';
import type { ConfigFinding, FindingCode } from './findings.ts';

/** Steps from the top of the file to a value. */
export type Path = readonly (string | number)[];

/** A value of the file. A text also knows where each of its characters stands. */
interface Placed {
  readonly position: Position;
  readonly source?: string;
  readonly locate?: (index: number) => Position;
}

/** What a finding may have besides its sentence. */
interface FindingDetails {
  readonly hint?: string | undefined;
  readonly replacement?: string | undefined;
  /** Where, if not at the path. */
  readonly at?: Position | undefined;
}

/** Everything that is said of a file, each at its place. */
export class Report {
  readonly problems: ConfigProblem[] = [];
  readonly findings: ConfigFinding[] = [];
  readonly #found = new Set<string>();
  readonly #places = new Map<string, { readonly position: Position; readonly value: Placed }>();

  /** Remembers where the value of `path` is reported to stand, and the value, for places inside its text. */
  place(path: Path, position: Position, value: Placed): void {
    this.#places.set(JSON.stringify(path), { position, value });
  }

  /** Something wrong at `path`, or at the nearest thing above it that stands in the file. */
  problem(path: Path, message: string, hint?: string): void {
    this.problemAt(path, this.#positionOf(path), message, hint);
  }

  /** Something wrong at a place that is known. */
  problemAt(path: Path, position: Position | undefined, message: string, hint?: string): void {
    this.problems.push({ path: pathText(path), ...position, message, hint });
  }

  /** Something wrong inside the text at `path`, whose line and column there count from 1. */
  problemInside(path: Path, line: number, column: number, message: string, hint?: string): void {
    this.problemAt(path, this.inside(path, line, column), message, hint);
  }

  /** Whether something is wrong at `path` or below it. */
  isWrong(path: Path): boolean {
    const text = pathText(path);
    return this.problems.some((problem) => problem.path === text || problem.path.startsWith(`${text}.`));
  }

  /** Whether one of these was found at `path`. */
  isFound(path: Path, ...codes: readonly FindingCode[]): boolean {
    return codes.some((code) => this.#found.has(`${code} ${pathText(path)}`));
  }

  /** Something that works but should be known. */
  finding(code: FindingCode, path: Path, message: string, details: FindingDetails = {}): void {
    const { hint, replacement, at = this.#positionOf(path) } = details;
    const more = replacement === undefined ? {} : { replacement };
    this.#found.add(`${code} ${pathText(path)}`);
    this.findings.push({ code, path: pathText(path), ...at, message, hint, ...more });
  }

  /** The place in the file of a line and column inside the text at `path`; the column counts characters. */
  inside(path: Path, line: number, column: number): Position | undefined {
    const { source, locate } = this.#places.get(JSON.stringify(path))?.value ?? {};
    if (source === undefined || locate === undefined) return this.#positionOf(path);
    const lines = source.split('\n');
    const before = lines
      .slice(0, Math.max(0, line - 1))
      .reduce((offset, text) => offset + text.length + 1, 0);
    const within = Array.from(lines[line - 1] ?? '')
      .slice(0, Math.max(0, column - 1))
      .join('').length;
    return locate(before + within);
  }

  #positionOf(path: Path): Position | undefined {
    for (let length = path.length; length >= 0; length--) {
      const place = this.#places.get(JSON.stringify(path.slice(0, length)));
      if (place !== undefined) return place.position;
    }
    return undefined;
  }
}
