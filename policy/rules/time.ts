/**
 * The calendar for rules. The library reads a timestamp's parts through the local time of the machine, which has hours
 * that do not exist, and makes a formatter for each call; so these methods are our own. A zone is `UTC`, an offset such
 * as `+02:00`, or a name of the IANA database, and must be a literal, so that a token cannot ask for formatters.
 */
import { celMethod, CelScalar, type CelFunc, type CelObjectType } from '@bufbuild/cel';
import { charge } from './meter.ts';

/** Steps that formatting costs. */
const FORMATTING = 100;

type Part = (local: Date) => number;

const DAY = 86_400_000;

/** Days and months count from 0, as CEL has it; only `getDate` counts from 1. */
const PARTS: ReadonlyMap<string, Part> = new Map<string, Part>([
  ['getFullYear', (local) => local.getUTCFullYear()],
  ['getMonth', (local) => local.getUTCMonth()],
  ['getDate', (local) => local.getUTCDate()],
  ['getDayOfMonth', (local) => local.getUTCDate() - 1],
  ['getDayOfWeek', (local) => local.getUTCDay()],
  ['getDayOfYear', (local) => Math.floor((local.getTime() - Date.UTC(local.getUTCFullYear(), 0)) / DAY)],
  ['getHours', (local) => local.getUTCHours()],
  ['getMinutes', (local) => local.getUTCMinutes()],
  ['getSeconds', (local) => local.getUTCSeconds()],
  ['getMilliseconds', (local) => local.getUTCMilliseconds()],
]);

/** Whether the method reads a part of a timestamp, and so may take a zone. */
export const isCalendarMethod = (name: string): boolean => PARTS.has(name);

/** How far a zone is ahead of UTC at a moment, both in milliseconds. */
type Zone = (ms: number) => number;

const OFFSET = /^([+-]?)(\d\d):(\d\d)$/;
const zones = new Map<string, Zone>();

/** Prepares a zone for the methods; false when there is none of that name. */
export function isZone(name: string): boolean {
  const known = zones.get(name) ?? offsetZone(name) ?? namedZone(name);
  if (known !== undefined) zones.set(name, known);
  return known !== undefined;
}

function offsetZone(name: string): Zone | undefined {
  const [, sign, hours, minutes] = OFFSET.exec(name) ?? [];
  if (hours === undefined || Number(hours) > 23 || Number(minutes) > 59) return undefined;
  const offset = (Number(hours) * 60 + Number(minutes)) * 60_000 * (sign === '-' ? -1 : 1);
  return () => offset;
}

function namedZone(name: string): Zone | undefined {
  try {
    const numeric = { year: 'numeric', month: 'numeric', day: 'numeric' } as const;
    const clock = { hour: 'numeric', minute: 'numeric', second: 'numeric', hourCycle: 'h23' } as const;
    const format = new Intl.DateTimeFormat('en-US', { timeZone: name, ...numeric, ...clock, era: 'short' });
    return remembering((ms) => offsetBy(format, ms));
  } catch {
    return undefined;
  }
}

const QUARTER = 900_000;
const MODERN = Date.UTC(1980, 0);

/** Formatting costs as much as ten rules, and rules ask about now. Clocks have long been changed at full quarters of an
 * hour only. */
function remembering(zone: Zone): Zone {
  let known = { quarter: NaN, offset: 0 };
  return (ms) => {
    const quarter = Math.floor(ms / QUARTER);
    if (known.quarter === quarter && ms > MODERN) return known.offset;
    charge(FORMATTING);
    known = { quarter, offset: zone(ms) };
    return known.offset;
  };
}

function offsetBy(format: Intl.DateTimeFormat, ms: number): number {
  const part = new Map(format.formatToParts(ms).map(({ type, value }) => [type, value]));
  const number = (type: Intl.DateTimeFormatPartTypes): number => Number(part.get(type));
  const year = part.get('era') === 'BC' ? 1 - number('year') : number('year');
  const local = new Date(0);
  local.setUTCFullYear(year, number('month') - 1, number('day'));
  local.setUTCHours(number('hour'), number('minute'), number('second'));
  return local.getTime() - (ms - (((ms % 1000) + 1000) % 1000));
}

interface Moment {
  readonly message: unknown;
}

function millisecondsOf({ message }: Moment): number {
  const { seconds, nanos } = message as { readonly seconds: bigint; readonly nanos: number };
  return Number(seconds) * 1000 + Math.floor(nanos / 1_000_000);
}

function localTime(moment: Moment, zone: string | undefined): Date {
  const ms = millisecondsOf(moment);
  if (zone === undefined) return new Date(ms);
  const ahead = zones.get(zone);
  if (ahead === undefined) throw new Error('unknown zone');
  return new Date(ms + ahead(ms));
}

/** The methods of timestamps, for each part without and with a zone. */
export const calendarMethods = (timestamp: CelObjectType): CelFunc[] =>
  [...PARTS].flatMap(([name, part]) => [
    celMethod(name, timestamp, [], CelScalar.INT, function () {
      return BigInt(part(localTime(this, undefined)));
    }),
    celMethod(name, timestamp, [CelScalar.STRING], CelScalar.INT, function (zone) {
      return BigInt(part(localTime(this, zone)));
    }),
  ]);
