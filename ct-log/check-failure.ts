/** What a check of a log found, and how it ends there. */

/** The first thing that is wrong. */
export interface LogProblem {
  /** File and byte, e.g. `tile/data/000 at byte 12345`. */
  readonly where: string;
  readonly message: string;
}

/** Thrown inside a check to end it at the first problem. */
export class CheckFailure extends Error {
  readonly problem: LogProblem;

  constructor(where: string, message: string) {
    super(message);
    this.problem = { where, message };
  }
}
