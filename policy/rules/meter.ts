/**
 * What evaluating may cost. The library has no limit of its own, so whatever can be made long by a token is paid for
 * in steps before it is done: each node of an expression, each pass of a macro's body, and the length of what a
 * function walks over. A step is about a tenth of a microsecond.
 *
 * Evaluation is synchronous and never nests, so one meter serves all.
 */

/** Steps that the rules of an issuer block have together for one request, and what each of them adds. */
const SHARED_STEPS = 100_000;
const STEPS_PER_RULE = 1000;

/** What rules can add together: as much as a hundred do. A decision keeps other requests waiting for some 50 ms at
 * most, however many rules there are. */
export const MAX_ADDED_STEPS = 100_000;

/** The budget is used up. Its text is never shown. */
class BudgetExhausted extends Error {}

let budget = 0;
let left = 0;
let exhausted = false;

/** Starts a decision by that many rules with a full budget. */
export function refill(rules: number): void {
  budget = SHARED_STEPS + Math.min(rules * STEPS_PER_RULE, MAX_ADDED_STEPS);
  left = budget;
  exhausted = false;
}

/** Pays. Throws {@link BudgetExhausted} when there is not enough; from then on for anything, because an expression may
 * have absorbed the error (`… || true`). */
export function charge(steps: number): void {
  spend(steps);
  if (exhausted) throw new BudgetExhausted();
}

/** Pays, and leaves it to the next {@link charge} or {@link isExhausted} to notice that there is not enough. */
export function spend(steps: number): void {
  left -= steps;
  if (left < 0) exhausted = true;
}

/** Gives up what is left. Throws {@link BudgetExhausted}. */
export function giveUp(): never {
  left = -1;
  exhausted = true;
  throw new BudgetExhausted();
}

/** Whether anything of this decision was left undone. */
export const isExhausted = (): boolean => exhausted;

/** Steps used since {@link refill}. */
export const stepsUsed = (): number => budget - left;
