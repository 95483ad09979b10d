/** The library's own functions, each paying for what it walks over. */
import { celEnv, celFunc, celMethod, CelScalar, isCelError, isCelList } from '@bufbuild/cel';
import type { CelFunc, CelInput, CelValue } from '@bufbuild/cel';
import { strings } from '@bufbuild/cel/ext';
import { charge } from './meter.ts';
import { chargeWalk } from './values.ts';

/** Of the library's extension for text: without what formats, and what can multiply a text. */
const STRING_METHODS: ReadonlySet<string> = new Set([
  ...['indexOf', 'lastIndexOf', 'lowerAscii', 'upperAscii', 'split', 'substring', 'trim', 'join'],
]);

const PLAIN = celEnv({ funcs: strings.filter(({ name }) => STRING_METHODS.has(name)) });

/** What the library's function of that name returns for these values. Throws its error. */
export function library(name: string, target: CelValue | undefined, values: CelValue[]): CelValue {
  const result = PLAIN.funcs.find(name)?.call(0, target, values);
  if (result === undefined || isCelError(result)) throw result ?? new Error('no such function');
  return result;
}

/** Steps for a call that goes through to the library. */
const CALL = 5;

/** Functions that do not look into what they are given. */
const SHALLOW: ReadonlySet<string> = new Set(['size', 'type', 'dyn']);

const { BOOL, DOUBLE, INT, NULL, TYPE, UINT } = CelScalar;
const SCALARS: ReadonlySet<string> = new Set([BOOL, DOUBLE, INT, NULL, TYPE, UINT].map(({ name }) => name));

function walks({ name, target, arguments: parameters }: CelFunc): boolean {
  if (SHALLOW.has(name) || (name === '@in' && parameters[1]?.name === 'map')) return false;
  return [target, ...parameters].some((type) => type !== undefined && !SCALARS.has(type.name));
}

/** The same function, paying for the walk over its arguments first. */
function metered(func: CelFunc): CelFunc {
  const { name, target, arguments: parameters, result } = func;
  const pay = STRING_METHODS.has(name) ? payForText : payForWalk;
  const run = (self: CelValue | undefined, values: CelValue[]): CelInput => {
    pay(self, values);
    const answer = func.call(0, self, values);
    if (answer === undefined || isCelError(answer)) throw answer ?? new Error('no such overload');
    return answer;
  };
  if (target === undefined) {
    return celFunc(name, parameters, result, (...values: CelValue[]) => run(undefined, values));
  }
  return celMethod(name, target, parameters, result, function (this: CelValue, ...values: CelValue[]) {
    return run(this, values);
  });
}

function payForWalk(self: CelValue | undefined, values: readonly CelValue[]): void {
  charge(CALL);
  if (self !== undefined) chargeWalk(self);
  for (const value of values) chargeWalk(value);
}

/** Pays for what goes through a text character by character, compares it with another at each place, or puts another
 * between all parts of a list. Throws `BudgetExhausted`. */
export function payForText(self: CelValue | undefined, values: readonly CelValue[]): void {
  payForWalk(self, values);
  const length = typeof self === 'string' ? self.length : isCelList(self) ? self.size : 0;
  const other = typeof values[0] === 'string' ? values[0].length : 0;
  charge(length * (1 + (other >> 3)));
}

/** Those of them that walk over anything, in place of the library's. */
export const meteredFunctions = (): CelFunc[] => [...PLAIN.funcs].filter(walks).map(metered);
