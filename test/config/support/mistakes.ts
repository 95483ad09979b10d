/** Tables of mistakes in a configuration: what is said of each, and where. */
import { expect } from 'chai';
import { ConfigError, type ConfigProblem } from '../../../config/findings/config-error.ts';
import { parseConfig } from '../../../config/load/load.ts';

/** Sentence · text · line:column · path · message · part of the hint. */
export type Mistake = readonly [string, string, string, string, string, string?];

/** The path of the entry that {@link issuer} writes. */
export const ISSUER = 'oidc-issuers."https://a.example"';

/** A file with one issuer; `rest` follows the colon of its key. */
export const issuer = (rest: string): string => `oidc-issuers:\n  https://a.example:${rest}`;

/** What is wrong with a text. */
export function problemsOf(text: string): readonly ConfigProblem[] {
  try {
    parseConfig(text);
  } catch (error) {
    expect(error).to.be.instanceOf(ConfigError);
    return (error as ConfigError).problems;
  }
  return [];
}

/** A test for each: it is the only thing that is said. */
export function tellMistakes(mistakes: readonly Mistake[]): void {
  for (const [name, text, place, path, message, hint] of mistakes) {
    it(`says where and what: ${name}`, () => {
      const problems = problemsOf(text);
      expect(problems.map((problem) => `${String(problem.line)}:${String(problem.column)}`)).to.deep.equal([
        place,
      ]);
      expect(problems[0]?.message).to.equal(message);
      expect(problems[0]?.path).to.equal(path);
      if (hint !== undefined) expect(problems[0]?.hint).to.include(hint);
    });
  }
}
