/**
 * Counting and ordering in texts. CEL counts characters and orders texts by them (code points); JavaScript, and with it
 * the library, by UTF-16 units, of which a character beyond U+FFFF takes two. Also `split` with a limit keeps the rest in
 * its last part, as CEL has it, where JavaScript drops it.
 */
import { celFunc, celList, celMethod, CelScalar, listType } from '@bufbuild/cel';
import type { CelFunc, CelList, CelValue } from '@bufbuild/cel';
import { library, payForText } from './library.ts';
import { charge } from './meter.ts';

const { BOOL, INT, STRING } = CelScalar;

/** Halves of pairs; without one, units are characters. */
const PAIRED = /[\ud800-\udfff]/;

/** `size`. */
function characters(text: string): bigint {
  charge(1 + (text.length >> 3));
  let count = 0;
  for (let at = 0; at < text.length; at++) if ((text.charCodeAt(at) & 0xfc00) !== 0xdc00) count++;
  return BigInt(count);
}

/** At which unit each character begins, and where the text ends. */
function beginnings(text: string): number[] {
  const starts: number[] = [];
  let at = 0;
  for (const char of text) {
    starts.push(at);
    at += char.length;
  }
  return [...starts, at];
}

/** A method of the library whose numbers count characters. */
function counted(text: string, name: string, args: readonly (string | bigint)[]): CelValue {
  payForText(text, args);
  if (!PAIRED.test(text)) return library(name, text, [...args]);
  const starts = beginnings(text);
  // A place that is not there is beyond the text in units too.
  const unitOf = (index: bigint): bigint =>
    index < 0n ? index : BigInt(starts[Number(index)] ?? text.length + 1);
  const inUnits = args.map((arg) => (typeof arg === 'bigint' ? unitOf(arg) : arg));
  const result = library(name, text, inUnits);
  return typeof result === 'bigint' && result > 0n ? BigInt(starts.indexOf(Number(result))) : result;
}

function split(text: string, separator: string, limit: bigint): CelList {
  payForText(text, [separator]);
  const parts = separator === '' ? Array.from(text) : text.split(separator);
  if (limit < 0n || limit >= parts.length) return celList(parts);
  if (limit === 0n) return celList([]);
  const kept = parts.slice(0, Number(limit) - 1);
  return celList([...kept, parts.slice(kept.length).join(separator)]);
}

/** Units in the order of the characters that they begin: halves of pairs come last. */
const rank = (unit: number): number => (unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800);

/** Below zero when the first text comes first. */
function order(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  charge(1 + (length >> 3));
  if (!PAIRED.test(left) && !PAIRED.test(right)) return left < right ? -1 : left === right ? 0 : 1;
  for (let at = 0; at < length; at++) {
    const difference = rank(left.charCodeAt(at)) - rank(right.charCodeAt(at));
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

const ORDERS: readonly (readonly [name: string, holds: (difference: number) => boolean])[] = [
  ['_<_', (difference) => difference < 0],
  ['_<=_', (difference) => difference <= 0],
  ['_>_', (difference) => difference > 0],
  ['_>=_', (difference) => difference >= 0],
];

const searches = (name: 'indexOf' | 'lastIndexOf'): CelFunc[] => [
  celMethod(name, STRING, [STRING], INT, function (part) {
    return counted(this, name, [part]) as bigint;
  }),
  celMethod(name, STRING, [STRING, INT], INT, function (part, start) {
    return counted(this, name, [part, start]) as bigint;
  }),
];

/** The functions, in place of the library's. */
export const countingFunctions = (): CelFunc[] => [
  celFunc('size', [STRING], INT, characters),
  celMethod('size', STRING, [], INT, function () {
    return characters(this);
  }),
  ...searches('indexOf'),
  ...searches('lastIndexOf'),
  celMethod('substring', STRING, [INT], STRING, function (start) {
    return counted(this, 'substring', [start]) as string;
  }),
  celMethod('substring', STRING, [INT, INT], STRING, function (start, end) {
    return counted(this, 'substring', [start, end]) as string;
  }),
  celMethod('split', STRING, [STRING], listType(STRING), function (separator) {
    return split(this, separator, -1n);
  }),
  celMethod('split', STRING, [STRING, INT], listType(STRING), function (separator, limit) {
    return split(this, separator, limit);
  }),
  ...ORDERS.map(([name, holds]) =>
    celFunc(name, [STRING, STRING], BOOL, (left, right) => holds(order(left, right))),
  ),
];
