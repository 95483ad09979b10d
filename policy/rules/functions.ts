/**
 * The functions that rules may call: those of the library, each paying for what it walks over, and a few that are
 * stricter than the library's, so that nothing a token holds is taken for what it only resembles.
 */
import { celEnv, celFunc, celMethod, CelScalar, isCelList, isCelMap, listType } from '@bufbuild/cel';
import type { CelEnv, CelFunc, CelList } from '@bufbuild/cel';
import { countingFunctions } from './code-points.ts';
import { conversions, TIMESTAMP } from './conversions.ts';
import { equalities } from './equality.ts';
import { meteredFunctions } from './library.ts';
import { literalsInUse } from './literals.ts';
import { charge, giveUp } from './meter.ts';
import { calendarMethods } from './time.ts';
import { append, growingList } from './values.ts';

/** Functions that only the compiler writes; no expression can spell them. */
export const LOOP = '@loop';
export const NEW_LIST = '@new_list';
export const APPEND = '@append';
export const GO_ON = '@go_on';

const { BOOL, DYN, INT, STRING } = CelScalar;
const LIST = listType(DYN);

/** Names that stand for a type, as in `type(claims.n) == int`. */
export const TYPE_NAMES: readonly string[] = [
  ...['bool', 'bytes', 'double', 'int', 'list', 'map', 'null_type', 'string', 'type', 'uint'],
];

/** Longest text that an expression may make. */
const MAX_TEXT = 256 * 1024;

function matches(text: string, pattern: string): boolean {
  const matcher = literalsInUse().matchers.get(pattern);
  if (matcher === undefined) throw new Error('the pattern was not compiled');
  return matcher.test(text);
}

function concat(left: string, right: string): string {
  const length = left.length + right.length;
  if (length > MAX_TEXT) giveUp();
  charge(1 + (length >> 5));
  return left + right;
}

function contains(text: string, part: string): boolean {
  // The search may compare each place of the text with all of the part.
  charge(1 + (text.length >> 5) * (1 + (part.length >> 5)));
  return text.includes(part);
}

function concatLists(left: CelList, right: CelList): CelList {
  charge(1 + left.size + right.size);
  const all = growingList();
  for (const item of left) append(all, item);
  for (const item of right) append(all, item);
  return all;
}

const OWN: readonly CelFunc[] = [
  ...equalities(),
  celMethod('matches', STRING, [STRING], BOOL, function (pattern) {
    return matches(this, pattern);
  }),
  celFunc('matches', [STRING, STRING], BOOL, matches),
  celMethod('contains', STRING, [STRING], BOOL, function (part) {
    return contains(this, part);
  }),
  celFunc('_+_', [STRING, STRING], STRING, concat),
  celFunc('_+_', [LIST, LIST], LIST, concatLists),
  ...countingFunctions(),
  ...conversions(),
  ...calendarMethods(TIMESTAMP),
];

const COMPILED: readonly CelFunc[] = [
  celFunc(LOOP, [DYN, INT], DYN, (range, weight) => {
    const passes = isCelList(range) || isCelMap(range) ? range.size : 0;
    charge(passes * Number(weight));
    return range;
  }),
  celFunc(GO_ON, [], BOOL, () => {
    charge(0);
    return true;
  }),
  celFunc(NEW_LIST, [], LIST, growingList),
  celFunc(APPEND, [LIST, DYN], LIST, append),
];

/** Everything a rule may call, and what compiled rules call. */
export const RULE_ENVIRONMENT: CelEnv = celEnv({
  funcs: [...meteredFunctions(), ...OWN, ...COMPILED],
});

/** The functions of that name that an expression may call; none for what only the compiler writes. */
export function overloadsOf(name: string): readonly CelFunc[] {
  return name.startsWith('@') && name !== '@in' ? [] : (OVERLOADS.get(name) ?? []);
}

const OVERLOADS: ReadonlyMap<string, readonly CelFunc[]> = Map.groupBy(
  RULE_ENVIRONMENT.funcs,
  ({ name }) => name,
);

/** Names of all functions that can be written as a word. */
export const FUNCTION_NAMES: readonly string[] = [...OVERLOADS.keys()].filter((name) => /^\w+$/.test(name));
