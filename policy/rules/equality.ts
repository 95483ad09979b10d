/**
 * Equality in rules. CEL calls values of different kinds unequal, and so would a deny rule `claims.admin == true` never
 * hold for a token that says "true", and `claims.admin != true` always: nobody would know. Here such a comparison fails,
 * and what a rule that fails means is for `rules.ts`. Null may be compared with anything.
 */
import {
  celFunc,
  CelScalar,
  isCelList,
  isCelMap,
  isCelType,
  isCelUint,
  listType,
  mapType,
} from '@bufbuild/cel';
import type { CelFunc, CelList, CelMap, CelValue } from '@bufbuild/cel';
import { library } from './library.ts';
import { charge } from './meter.ts';
import { chargeWalk } from './values.ts';

/** What an error says when values were compared of which only the kinds differ. By this text it is known again: the library
 * keeps no more of an error that it merges with another one. */
export const KINDS_DIFFER = 'the kinds of the values differ';

const { BOOL, DOUBLE, DYN, INT, STRING, UINT } = CelScalar;

/** Functions are distinguished by the name of a type: a map of any. */
const MAP = mapType(STRING, DYN);

let lenient = false;

/** Whether values of different kinds are merely unequal, as CEL has it, in what is evaluated next. */
export function useLeniency(next: boolean): void {
  lenient = next;
}

function kindOf(value: CelValue): string {
  if (value === null) return 'null';
  if (typeof value === 'bigint' || typeof value === 'number' || isCelUint(value)) return 'number';
  if (typeof value !== 'object') return typeof value;
  if (value instanceof Uint8Array) return 'bytes';
  if (isCelList(value)) return 'list';
  if (isCelMap(value)) return 'map';
  return isCelType(value) ? 'type' : 'message';
}

/** Undefined when the values differ in nothing but the kinds of some parts. */
function compare(left: CelValue, right: CelValue): boolean | undefined {
  if (left === right) return true;
  const kind = kindOf(left);
  const other = kindOf(right);
  if (kind === 'null' || other === 'null') return false;
  if (kind !== other) return undefined;
  if (isCelList(left) && isCelList(right)) return compareLists(left, right);
  if (isCelMap(left) && isCelMap(right)) return compareMaps(left, right);
  return library('_==_', undefined, [left, right]) === true;
}

function compareLists(left: CelList, right: CelList): boolean | undefined {
  if (left.size !== right.size) return false;
  let all: boolean | undefined = true;
  for (let i = 0; i < left.size; i++) {
    const same = compare(left.get(i) ?? null, right.get(i) ?? null);
    if (same === false) return false;
    if (same === undefined) all = undefined;
  }
  return all;
}

function compareMaps(left: CelMap, right: CelMap): boolean | undefined {
  if (left.size !== right.size) return false;
  let all: boolean | undefined = true;
  for (const [key, value] of left) {
    const other = right.get(key);
    const same = other === undefined ? false : compare(value, other);
    if (same === false) return false;
    if (same === undefined) all = undefined;
  }
  return all;
}

function settled(same: boolean | undefined): boolean {
  if (same !== undefined) return same;
  if (lenient) return false;
  throw new Error(KINDS_DIFFER);
}

function equal(left: CelValue, right: CelValue): boolean {
  if (left === right) return true;
  if (typeof left !== 'object' && typeof left === typeof right && typeof left !== 'string') return false;
  chargeWalk(left);
  chargeWalk(right);
  return settled(compare(left, right));
}

/** A list that holds anything of the value's kind was meant for it. */
function isIn(value: CelValue, list: CelList): boolean {
  chargeWalk(value);
  chargeWalk(list);
  let seen = list.size === 0;
  for (const item of list) {
    const same = compare(value, item);
    if (same === true) return true;
    seen ||= same === false;
  }
  return settled(seen ? false : undefined);
}

function isKey(value: CelValue, map: CelMap): boolean {
  charge(1);
  if (library('@in', undefined, [value, map]) === true) return true;
  const [first] = map.keys();
  return settled(first === undefined || kindOf(first) === kindOf(value) ? false : undefined);
}

/** `==`, `!=` and `in`, in place of the library's. */
export const equalities = (): CelFunc[] => [
  celFunc('_==_', [DYN, DYN], BOOL, equal),
  celFunc('_!=_', [DYN, DYN], BOOL, (left, right) => !equal(left, right)),
  celFunc('@in', [DYN, listType(DYN)], BOOL, isIn),
  ...[BOOL, DOUBLE, INT, UINT, STRING].map((key) => celFunc('@in', [key, MAP], BOOL, isKey)),
];
