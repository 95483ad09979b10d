/**
 * Says why an expression could not be evaluated, in words of the rule and never of the token: the library's own errors
 * repeat values.
 */
import type { CelError } from '@bufbuild/cel';
import { placeOf } from './rule-error.ts';
import { KINDS_DIFFER } from './equality.ts';
import { isExhausted } from './meter.ts';
import { accessOf, chainOf, pathOf } from './path.ts';
import { nodesOf, type Syntax } from './syntax.ts';
import { InexactNumber } from './values.ts';

/** One sentence without the rule's name, and what the author of the rule can do. */
export interface Failure {
  readonly reason: string;
  readonly hint: string;
  /** Whether it is only that values of different kinds were compared. */
  readonly isMismatch?: true | undefined;
}

const MISSING = 'field not found: ';

/** The failure behind an error of the library. */
export function failureOf(syntax: Syntax, error: CelError): Failure {
  if (isExhausted()) return tooCostly;
  const where = whereOf(syntax, error.exprId);
  if (error.cause instanceof InexactNumber) return inexact;
  if (error.message === KINDS_DIFFER) return mismatched(where);
  if (error.message.startsWith(MISSING)) return missing(syntax, error, where);
  if (/^index .* out of bounds/.test(error.message)) {
    return {
      reason: `there is no such element${where}`,
      hint: 'Ask first how many there are: size(…) > 0 && …',
    };
  }
  if (error.message.startsWith('found no matching overload')) {
    return {
      reason: `the values${where} are not of the types that the operation takes`,
      hint: 'Claims are text more often than numbers: compare with "5" rather than 5, or convert with int(…).',
    };
  }
  return {
    reason: `it fails${where}`,
    hint: 'A claim may be absent, out of range, or not what int(…), timestamp(…) and the like can read.',
  };
}

/** The failure of an expression that compares values of which only the kinds differ. */
const mismatched = (where: string): Failure => ({
  isMismatch: true,
  reason: `values of different types are compared${where}`,
  hint: 'Claims are text more often than numbers or bools: compare with "true" rather than true, or with both: … in ["true", true].',
});

/** The library's error has the number of the accessed node or of the start of its path, and the name that was sought.
 * The name is repeated only when the rule itself spells it. */
function missing({ root }: Syntax, { exprId, message }: CelError, where: string): Failure {
  const sought = message.slice(MISSING.length);
  const access = [...nodesOf(root)].find(
    (node) => accessOf(node)?.name === sought && chainOf(node).some(({ id }) => id === exprId),
  );
  const path = access === undefined ? undefined : pathOf(access);
  if (path === undefined) {
    return {
      reason: `there is no entry of that name${where}`,
      hint: 'Ask first whether it is there: … in … && …',
    };
  }
  const test = access?.exprKind.case === 'selectExpr' ? `has(${path})` : `${JSON.stringify(sought)} in …`;
  return { reason: `${path} is not there`, hint: `Ask first whether it is: ${test} && …` };
}

/** The failure of an expression that looks at a number with too many digits. */
const inexact: Failure = {
  reason: 'it looks at a number that is too large to be known to its last digit',
  hint: 'This is for the operator of the issuer: ids of more than 15 digits have to be sent as text.',
};

/** The failure of an expression for which the budget does not suffice. */
export const tooCostly: Failure = {
  reason: 'it takes too much work for this token',
  hint: 'Avoid macros within macros, and regular expressions on long texts.',
};

/** The failure of an expression that is something else than true or false. */
export const notBool: Failure = {
  reason: 'it is neither true nor false',
  hint: 'The claim it ends with is not a bool: compare it with "==".',
};

function whereOf(syntax: Syntax, id: bigint | undefined): string {
  if (id === undefined || id === 0n) return '';
  const { line, column } = placeOf(syntax.text, syntax.offsetOf({ id }));
  return ` at line ${line}, column ${column}`;
}
