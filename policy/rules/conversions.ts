/**
 * Text and numbers as numbers, times and durations: stricter than the library, which takes an empty text for 0, so that
 * nothing a token holds is taken for what it only resembles.
 */
import { celFunc, CelScalar, objectType, type CelFunc, type CelInput, type CelType } from '@bufbuild/cel';
import { library } from './library.ts';
import { literalKey, literalsInUse } from './literals.ts';
import { charge } from './meter.ts';

const { DOUBLE, INT, STRING, UINT } = CelScalar;

/** CEL's `timestamp` and `duration`. */
export const TIMESTAMP = objectType('google.protobuf.Timestamp');
const DURATION = objectType('google.protobuf.Duration');

/** Longest text that is read as a number, a time or a duration. */
const MAX_NUMERAL = 64;
/** Steps for making a number, a time or a duration. */
const CONVERSION = 30;

function numeral(text: string, form: RegExp): string {
  charge(CONVERSION);
  if (text.length > MAX_NUMERAL || !form.test(text)) throw new Error('not a number');
  return text;
}

const WHOLE = /^-?\d{1,20}$/;
const UNSIGNED = /^\d{1,20}$/;
const DECIMAL = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;
const LAST_SECOND = 253_402_300_799n;
const FIRST_SECOND = -62_135_596_800n;

/** CEL counts `timestamp(int)` in seconds; the library, in milliseconds. */
function timestampOfSeconds(seconds: bigint): CelInput {
  charge(CONVERSION);
  if (seconds > LAST_SECOND || seconds < FIRST_SECOND) throw new Error('out of range');
  return message({ $typeName: 'google.protobuf.Timestamp', seconds, nanos: 0 });
}

/** NumericDate of RFC 7519 may have a fraction, which rules see down to the millisecond. */
function timestampOfFraction(seconds: number): CelInput {
  charge(CONVERSION);
  if (!(seconds >= Number(FIRST_SECOND) && seconds <= Number(LAST_SECOND))) throw new Error('out of range');
  return celOfMoment(seconds * 1000);
}

const message = (fields: { readonly $typeName: string } & Record<string, unknown>): CelInput => fields;

/** A moment as rules see it. */
export function celOfMoment(ms: number): CelInput {
  const seconds = Math.floor(ms / 1000);
  const nanos = Math.floor(ms - seconds * 1000) * 1_000_000;
  return message({ $typeName: 'google.protobuf.Timestamp', seconds: BigInt(seconds), nanos });
}

const read = (name: string, result: CelType, form: RegExp): CelFunc =>
  celFunc(name, [STRING], result, (text) => {
    const known = literalsInUse().constants.get(literalKey(name, text));
    return known ?? library(name, undefined, [numeral(text, form)]);
  });

/** The conversions, in place of the library's. */
export const conversions = (): CelFunc[] => [
  read('int', INT, WHOLE),
  read('uint', UINT, UNSIGNED),
  read('double', DOUBLE, DECIMAL),
  read('timestamp', TIMESTAMP, /^\d{4}-/),
  read('duration', DURATION, /^./),
  celFunc('timestamp', [INT], TIMESTAMP, timestampOfSeconds),
  celFunc('timestamp', [DOUBLE], TIMESTAMP, timestampOfFraction),
];
