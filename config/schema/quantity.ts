import { z } from 'zod';

/** What a number of the configuration counts. */
export type Unit = keyof typeof UNITS;

interface UnitFacts {
  /** As a file writes it behind the number. */
  readonly suffix: string;
  /** For sentences. */
  readonly name: string;
  /** What may stand behind a number → how many of this unit that is. */
  readonly scale: Readonly<Record<string, number>>;
  /** The next unit that a person thinks in, and how many of this one make it. */
  readonly larger: readonly [count: number, name: string];
}

const TIMES = { s: 1, sec: 1, m: 60, min: 60, h: 3600, d: 86_400 };
const SIZES = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

const scaled = (all: Readonly<Record<string, number>>, one: number): Readonly<Record<string, number>> =>
  Object.fromEntries(Object.entries(all).map(([suffix, count]) => [suffix, count / one]));

const UNITS = {
  seconds: { suffix: 's', name: 'seconds', scale: TIMES, larger: [60, 'minutes'] },
  minutes: { suffix: 'm', name: 'minutes', scale: scaled(TIMES, 60), larger: [60, 'hours'] },
  hours: { suffix: 'h', name: 'hours', scale: scaled(TIMES, 3600), larger: [24, 'days'] },
  MiB: { suffix: 'MiB', name: 'MiB', scale: scaled(SIZES, 2 ** 20), larger: [1024, 'GiB'] },
} as const satisfies Record<string, UnitFacts>;

const isSize = (unit: Unit): boolean => unit === 'MiB';

/** A time or a size from `minimum` to `maximum`; a file writes it with its unit, and the value counts in `unit`. A bare
 * number counts in `unit` too, as all of them once did. */
export function quantity(unit: Unit, minimum: number, maximum: number) {
  const sort = isSize(unit) ? 'a size' : 'a time';
  const number = z
    .number(`must be ${sort} with its unit, such as ${written(unit, Math.min(maximum, 10))}`)
    .min(minimum, `must be at least ${written(unit, minimum)}`)
    .max(maximum, `must be at most ${written(unit, maximum)}`);
  return (isSize(unit) ? number : number.int(`must be a whole number of ${unit}`)).meta({ unit });
}

/** What {@link quantity} counts in; undefined for every other schema. */
export function unitOf(schema: z.ZodType): Unit | undefined {
  const unit = schema.meta()?.['unit'];
  return typeof unit === 'string' && unit in UNITS ? (unit as Unit) : undefined;
}

/** As a file writes it: `10m`. */
export const written = (unit: Unit, count: number): string => `${count}${UNITS[unit].suffix}`;

/** The number that a text such as `1h30m` or `1.5GiB` stands for; undefined for every other text. */
export function countOf(unit: Unit, text: string): number | undefined {
  if (text.length > MAX_LENGTH || !WHOLE.test(text)) return undefined;
  let count = 0;
  for (const [, number, suffix = ''] of text.matchAll(PART)) {
    const { [suffix]: factor }: Readonly<Record<string, number>> = UNITS[unit].scale;
    if (factor === undefined) return undefined;
    count += Number(number) * factor;
  }
  // 0.1 has no exact double, and a third of a minute is twenty seconds.
  return Number(count.toPrecision(12));
}

const MAX_LENGTH = 40;
const WHOLE = /^(?:\d+(?:\.\d+)? ?[a-zA-Z]+)+$/;
const PART = /(\d+(?:\.\d+)?) ?([a-zA-Z]+)/gy;

/** What a number without a unit means, for a warning. */
export function meaning(unit: Unit, count: number): string {
  const { name, larger } = UNITS[unit];
  const [each, more] = larger;
  const rounded = Math.round((count / each) * 10) / 10;
  return `${count} ${name}${count >= 2 * each ? ` (${rounded} ${more})` : ''}`;
}

/** What an editor may take for such a value, in place of the number alone. */
export function textPattern(unit: Unit): string {
  const suffixes = Object.keys(UNITS[unit].scale).join('|');
  return `^(\\d+(\\.\\d+)? ?(${suffixes}))+$`;
}
