/** `mayfly config test`: whether a configuration does what its owners expect. */
import { dirname, resolve } from 'node:path';
import { readPolicyCases, type PolicyCase } from '../../config/lists/policy-cases.ts';
import type { Explainer } from '../../explain/explain.ts';
import { differencesFrom, type ExpectationDifference } from '../../explain/expectation.ts';
import type { Explanation } from '../../explain/explanation.ts';
import {
  action,
  CommandError,
  exitCodeOfJudge,
  type RegisterCommand,
  type Speaker,
} from '../program/command.ts';
import { testReport, type CaseResult } from './config-test-report.ts';
import { readInput } from '../program/input-file.ts';
import { asUsage, openExplainer } from './open-explainer.ts';

interface TestOptions {
  readonly config?: string;
}

const EXAMPLES = `
Examples:
  mayfly config test cases.yaml                          the configuration that the file names
  mayfly config test cases.yaml --config config.yaml     another one
  mayfly config test cases.yaml --json | jq '.cases[] | select(.ok | not)'

Exits with 0 when every case is as expected, with 1 when one is not, with 2 when they cannot be tried. No issuer is asked
anything. docs/explain.md shows a file of cases.`;

/** Adds `test`. */
export const registerTest: RegisterCommand = (group) => {
  group
    .command('test')
    .argument('<FILE>', 'the cases, YAML ("-" reads stdin)')
    .summary('try the cases of a file: who gets which certificate')
    .description(
      'Tries cases against a configuration, offline: who gets which certificate, and who is refused.',
    )
    .option('--config <file>', 'the configuration, instead of the one that the file names')
    .option('--json', 'print {"ok":…,"passed":…,"failed":…,"cases":[…],"unreached":[…]}')
    .addHelpText('after', EXAMPLES)
    .action(action(test, exitCodeOfJudge));
};

async function test(options: TestOptions, speak: Speaker, [file = '']: readonly string[]): Promise<boolean> {
  const { config, cases } = parsed(await readInput(file, 'the cases'), file);
  const directory = file === '-' ? '.' : dirname(file);
  const explainer = await openExplainer({ config: options.config ?? (config && resolve(directory, config)) });
  const now = Date.now();
  try {
    const results: CaseResult[] = [];
    for (const one of cases) results.push(await tried(one, await claimsOf(one, directory), now, explainer));
    const report = testReport(file, results);
    speak.answer(report.result, report.text);
    return report.result.ok;
  } finally {
    await explainer.close();
  }
}

function parsed(text: string, file: string): ReturnType<typeof readPolicyCases> {
  try {
    return readPolicyCases(text, file);
  } catch (error) {
    return asUsage(error);
  }
}

async function tried(
  one: PolicyCase,
  claims: string,
  now: number,
  explainer: Explainer,
): Promise<CaseResult> {
  const question = {
    evidence: { kind: 'claims', json: claims },
    keyType: one.keyType,
    at: one.at ?? now,
  } as const;
  const explanation: Explanation = await explainer.explain(question);
  const differences: readonly ExpectationDifference[] = differencesFrom(one.expected, explanation);
  return { name: one.name, line: one.line, differences, explanation };
}

/** The claims of a case as JSON. */
async function claimsOf({ claims, claimsFile, name }: PolicyCase, directory: string): Promise<string> {
  if (claimsFile === undefined) return JSON.stringify(claims);
  const text = await readInput(resolve(directory, claimsFile), `claims-file of "${name}"`);
  return JSON.stringify({ ...objectIn(text, claimsFile), ...claims });
}

function objectIn(text: string, file: string): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {
    // Reported below: the parser's own words would repeat the file.
  }
  throw new CommandError('USAGE', `${file} is not a JSON object of claims`);
}
