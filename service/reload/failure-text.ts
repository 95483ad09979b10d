import { ConfigError, describe } from '../../config/findings/config-error.ts';
import { MayflyError } from '../../core/errors.ts';

/** Why a configuration cannot be used. */
export interface LoadFailure {
  /** Everything that is wrong, one line each. */
  readonly problems: readonly string[];
  /** In one line. */
  readonly summary: string;
  /** Of a fault that is ours, or the system's. */
  readonly cause?: unknown;
}

/** Puts an error into the operator's words. */
export function loadFailure(file: string, error: unknown): LoadFailure {
  if (error instanceof ConfigError) {
    const problems = error.problems.map((problem) => withHint(describe(file, problem), problem.hint));
    const [first = error.message] = problems;
    const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
    return { problems, summary: `${first}${more}` };
  }
  if (error instanceof MayflyError) {
    const line = withHint(`${file}: ${error.message}`, error.hint);
    return { problems: [line], summary: line, cause: error.cause };
  }
  const line = `${file} could not be loaded for a reason that nobody foresaw`;
  return { problems: [line], summary: line, cause: error };
}

const withHint = (sentence: string, hint: string | undefined): string =>
  hint === undefined ? sentence : `${sentence}. ${hint}`;
