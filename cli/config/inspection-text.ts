/** What is said of a configuration: how much it holds, and what is wrong or should be known. */
import { describe, type ConfigProblem } from '../../config/findings/config-error.ts';
import type { ConfigFinding } from '../../config/findings/findings.ts';
import type { Inspection } from '../../config/load/inspect.ts';

/** What a configuration holds. */
export interface ConfigCounts {
  readonly issuers: number;
  readonly metaIssuers: number;
  readonly rules: number;
}

/** Several blocks of an issuer are one issuer. */
export function countsOf(issuers: Inspection['issuers']): ConfigCounts {
  const urls = (isMeta: boolean): number =>
    new Set(issuers.filter(({ definition }) => definition.isMeta === isMeta).map((e) => e.definition.url))
      .size;
  const rules = issuers.reduce((sum, { policy }) => sum + policy.rules.length, 0);
  return { issuers: urls(false), metaIssuers: urls(true), rules };
}

/** The same for people. */
export const countsText = ({ issuers, metaIssuers, rules }: ConfigCounts): string =>
  [plural(issuers, 'issuer'), plural(metaIssuers, 'meta issuer'), plural(rules, 'rule')].join(', ');

/** A number of things. */
export const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** A line for each warning, as compilers say it, so that editors can jump there; below it what to do, with the first that needs it: thirty issuer
 * blocks may need the same advice. */
export const warningLines = (file: string, findings: readonly ConfigFinding[]): readonly string[] =>
  findings.map((finding, index) => {
    const isRepeated = findings.slice(0, index).some(({ hint }) => hint === finding.hint);
    return lineOf(file, 'warning', isRepeated ? { ...finding, hint: undefined } : finding);
  });

/** The same for errors. */
export const errorLines = (file: string, problems: readonly ConfigProblem[]): readonly string[] =>
  problems.map((problem) => lineOf(file, 'error', problem));

function lineOf(file: string, kind: string, problem: ConfigProblem | ConfigFinding): string {
  const { hint } = problem;
  const replacement = 'replacement' in problem ? problem.replacement : undefined;
  const advice = [hint, replacement].filter((text) => text !== undefined).flatMap((text) => text.split('\n'));
  return [describe(file, problem, kind), ...advice.map((line) => `    ${line}`)].join('\n');
}
