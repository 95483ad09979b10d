/** Options of `mayfly log list` and `search`: which entries, and how many of them. */
import { parseRfc3339 } from '../../core/clock.ts';
import { fulcioExtensionOf } from '../../core/fulcio-extensions.ts';
import type { EntryQuery, EntryRange } from '../../ct-log/entry-search.ts';
import { CommandError } from '../program/command.ts';
import { readExpression } from '../verify/name-expression.ts';
import { parseInteger } from '../program/options.ts';

/** Options that say which part of the log. */
export interface RangeOptions {
  readonly since?: string;
  readonly until?: string;
  readonly from?: string;
  readonly before?: string;
  readonly limit?: string;
  readonly oldestFirst?: true;
}

/** Options that say which entries. */
export interface FilterOptions {
  readonly identity?: string;
  readonly identityPrefix?: string;
  readonly identityRegexp?: string;
  readonly issuer?: string;
  readonly serial?: string;
  readonly extension?: readonly string[];
}

/** Of a list that is asked for without a span: enough for a screen or two. */
const DEFAULT_LIMIT = 100;

/** The part of the log that is asked for. Throws {@link CommandError} `USAGE`. */
export const rangeOf = ({ from, before, oldestFirst }: RangeOptions): EntryRange => ({
  from: from === undefined ? undefined : placeOf(from, '--from'),
  before: before === undefined ? undefined : placeOf(before, '--before'),
  oldestFirst,
});

/** How many entries to print at most: 100 where nothing says which part of the log is meant, or else all that match. Throws
 * {@link CommandError} `USAGE`. */
export function limitOf(options: RangeOptions & FilterOptions): number {
  const { limit, since, until, from, before } = options;
  if (limit !== undefined) return parseInteger(limit, '--limit', 1, 2 ** 40);
  const isSpan = [since, until, from, before].some((bound) => bound !== undefined);
  return isSpan || isFilter(options) ? Infinity : DEFAULT_LIMIT;
}

/** A place in a log. Throws {@link CommandError} `USAGE`. */
export const placeOf = (text: string, option: string): number => parseInteger(text, option, 0, 2 ** 40);

/** What is looked for; `now` is in milliseconds. Throws {@link CommandError} `USAGE`. */
export function queryOf(options: RangeOptions & FilterOptions, now: number): EntryQuery {
  const { identity, identityPrefix, identityRegexp, issuer, serial, extension = [] } = options;
  if ([identity, identityPrefix, identityRegexp].filter((name) => name !== undefined).length > 1)
    throw new CommandError('USAGE', 'give one of --identity, --identity-prefix and --identity-regexp');
  const since = timeOf(options.since, '--since', now);
  const until = timeOf(options.until, '--until', now);
  if (since !== undefined && until !== undefined && until < since)
    throw new CommandError('USAGE', '--until is before --since');
  return {
    identity,
    identityPrefix,
    issuer,
    since,
    until,
    identityMatches: identityRegexp === undefined ? undefined : expressionOf(identityRegexp),
    serial: serial === undefined ? undefined : serialOf(serial),
    extensions: new Map(extension.map(extensionOf)),
  };
}

/** Whether anything is looked for. */
export const isFilter = (options: FilterOptions): boolean => {
  const { identity, identityPrefix, identityRegexp, issuer, serial, extension } = options;
  const filters = [identity, identityPrefix, identityRegexp, issuer, serial, extension];
  return filters.some((filter) => filter !== undefined);
};

/** A name that the expression cannot decide within its bounds is shown: to miss one is worse than to see one too many. */
function expressionOf(text: string): (name: string) => boolean {
  const expression = readExpression('identity', text);
  return (name) => expression.isAllOf(name) !== false;
}

/** Milliseconds. */
const UNITS: ReadonlyMap<string | undefined, number> = new Map([
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

function timeOf(text: string | undefined, option: string, now: number): number | undefined {
  if (text === undefined) return undefined;
  const [, count, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const time = count === undefined ? parseRfc3339(text) : now - Number(count) * (UNITS.get(unit) ?? 0);
  if (time !== undefined) return time;
  throw new CommandError('USAGE', `${option}: "${text}" is neither a time nor a span`, {
    hint: 'Write 2026-11-22T10:00:00Z, or how long ago: 90s, 15m, 1h, 7d.',
  });
}

/** As tools print serials: hexadecimal, with colons or without. */
function serialOf(text: string): string {
  const digits = text
    .replaceAll(':', '')
    .toLowerCase()
    .replace(/^0+(?=.)/, '');
  if (/^[0-9a-f]{1,40}$/.test(digits)) return digits;
  throw new CommandError('USAGE', '--serial must be hexadecimal, 40 digits at most');
}

function extensionOf(text: string): readonly [number: number, value: string] {
  const at = text.indexOf('=');
  const known = at < 0 ? undefined : fulcioExtensionOf(text.slice(0, at));
  if (known !== undefined) return [known.number, text.slice(at + 1)];
  throw new CommandError('USAGE', `--extension: "${text}" names no extension of Fulcio and a value`, {
    hint: 'Write NAME=VALUE, e.g. source-repository-uri=https://github.com/acme/app or 1.21=URL.',
  });
}
