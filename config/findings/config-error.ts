import { MayflyError } from '../../core/errors.ts';
import { printable } from '../../core/printable.ts';

/** A place in the text: both count from 1; the column counts UTF-16 units, as editors do. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** One thing that is wrong in a configuration file. */
export interface ConfigProblem {
  /** Where in the structure, e.g. `oidc-issuers."https://issuer.example".client-id`; empty for the whole file. */
  readonly path: string;
  readonly line?: number | undefined;
  readonly column?: number | undefined;
  /** What is wrong, without the path. */
  readonly message: string;
  /** What to do about it. */
  readonly hint?: string | undefined;
}

/** Codes of {@link ConfigError}: cannot be read; is not YAML or JSON; means something that is not possible. */
export type ConfigCode = 'CONFIG_UNREADABLE' | 'CONFIG_MALFORMED' | 'CONFIG_INVALID';

/** A configuration that cannot be used. Carries everything that is wrong with it, in the order of the file. */
export class ConfigError extends MayflyError<ConfigCode> {
  readonly problems: readonly ConfigProblem[];

  constructor(code: ConfigCode, file: string, problems: readonly ConfigProblem[], cause?: unknown) {
    const sorted = [...problems].sort((a, b) => order(a) - order(b));
    const only = sorted.length === 1 ? sorted[0] : undefined;
    super(code, only ? describe(file, only) : summary(file, sorted), { hint: only?.hint, cause });
    this.problems = sorted;
  }
}

/** A key's path for people: names that are not plain words stand in quotes. */
export const pathText = (path: readonly (string | number)[]): string =>
  path.map((part) => (/^[\w-]+$/.test(String(part)) ? String(part) : JSON.stringify(part))).join('.');

/** `file:line:column: path: message`, as compilers say it, so that editors can jump there; `kind` (`error`, `warning`)
 * stands before the path. One line, whatever the file holds. */
export function describe(file: string, problem: ConfigProblem, kind?: string): string {
  const place = problem.line === undefined ? '' : `:${problem.line}:${problem.column ?? 1}`;
  const said = kind === undefined ? '' : `${kind}: `;
  return printable(
    `${file}${place}: ${said}${problem.path === '' ? '' : `${problem.path}: `}${problem.message}`,
  );
}

const order = (problem: ConfigProblem): number => (problem.line ?? 0) * 1e6 + (problem.column ?? 0);

function summary(file: string, problems: readonly ConfigProblem[]): string {
  const lines = problems.map(
    (problem) => `  ${describe(file, problem)}${problem.hint === undefined ? '' : `\n    ${problem.hint}`}`,
  );
  return [`${file} has ${problems.length} problems:`, ...lines].join('\n');
}
