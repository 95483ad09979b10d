import type { RuleDefinition } from '../../policy/rules/rule-definition.ts';
import { ExpressionFault, RuleError } from '../../policy/rules/rule-error.ts';
import { compileRule, MAX_FIXED_STEPS } from '../../policy/rules/rules.ts';
import type { RuleValues } from '../schema/issuer-schema.ts';
import type { Path, Report } from '../findings/report.ts';

/** The rules of an issuer block, each compiled to see whether it can be; `path` is that of their list. */
export function rulesOf(list: readonly RuleValues[], path: Path, report: Report): RuleDefinition[] {
  const names = new Set<string>();
  let steps = 0;
  const rules = list.flatMap((values, index) => {
    const at = [...path, index];
    if (names.has(values.name))
      report.problem([...at, 'name'], `the rule name "${values.name}" is given twice`, 'Choose another one.');
    names.add(values.name);
    const rule = ruleOf(values, at, report);
    if (rule === undefined) return [];
    // What YAML left of a condition is not what was written.
    if (!report.isWrong([...at, rule.effect])) steps += checkExpression(rule, [...at, rule.effect], report);
    return [rule];
  });
  if (steps > MAX_FIXED_STEPS)
    report.problem(
      path,
      `the rules have ${steps} parts together, and each token would have to pay for all of them; ${MAX_FIXED_STEPS} are allowed`,
      'Compare with a list, as in claims.repository_id in ["1", "2"], in place of a rule for each; or divide the issuer block by audience.',
    );
  return rules;
}

function ruleOf(values: RuleValues, path: Path, report: Report): RuleDefinition | undefined {
  const { name, allow, deny, message } = values;
  if (allow !== undefined && deny !== undefined)
    report.problem(path, 'has both allow and deny', 'Make two rules of it.');
  else if (allow !== undefined) return { name, effect: 'allow', expression: allow, message };
  else if (deny !== undefined) return { name, effect: 'deny', expression: deny, message };
  // A misspelt one is reported already.
  else if (!report.isWrong(path))
    report.problem(path, 'has neither allow nor deny', 'Say in CEL who may, or who may not.');
  return undefined;
}

/** Reports an expression that cannot be used, at the place in the file that its line and column mean; returns the
 * steps that a usable one costs. */
function checkExpression(rule: RuleDefinition, path: Path, report: Report): number {
  try {
    return compileRule(rule).steps;
  } catch (error) {
    if (!(error instanceof RuleError)) throw error;
    const { line, column } = error.metadata;
    report.problemInside(path, Number(line), Number(column), sentenceOf(error), error.hint);
    return 0;
  }
}

/** The place within the expression is reported as a place in the file, so the sentence goes without it. */
const sentenceOf = (error: RuleError): string =>
  error.cause instanceof ExpressionFault ? error.cause.message : error.message;
