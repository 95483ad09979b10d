/** The query of `GET /api/search/v1`. */
import { parseRfc3339 } from '../../core/clock.ts';
import { CONDITION_NAMES, conditionOf } from '../../search/search-conditions.ts';
import { SearchError } from '../../search/search-error.ts';
import type { LogQuery, PageEnd } from '../../search/log-search.ts';

/** Characters of a query. */
const LONGEST_QUERY = 8_192;

/** Conditions of a query. */
export const MOST_CONDITIONS = 16;

/** Entries of a page, where nothing is said of it, and at most; and at most where each says what it is joined with. */
const DEFAULT_LIMIT = 100;
export const MOST_HITS = 500;
export const MOST_JOINED = 50;

const LARGEST_INDEX = 2 ** 40;

/** Parameters that may be there once. */
const SINGLE = ['match', 'since', 'until', 'from', 'before', 'limit', 'cursor', 'join'] as const;
const KNOWN: ReadonlySet<string> = new Set<string>([...CONDITION_NAMES, ...SINGLE, 'log']);

/** Reads the query of a request target. Throws {@link SearchError} `SEARCH_MALFORMED`, also for a parameter that there is not: what is not understood would make the answer another
 * one than was meant. */
export function searchQueryOf(url: string): LogQuery {
  const at = url.indexOf('?');
  if (url.length > LONGEST_QUERY) throw malformed(`the query is longer than ${LONGEST_QUERY} characters`);
  const values = new URLSearchParams(at < 0 ? '' : url.slice(at + 1));
  for (const name of values.keys())
    if (!KNOWN.has(name)) throw malformed('the query has a parameter that this call does not know');
  for (const name of SINGLE)
    if (values.getAll(name).length > 1) throw malformed(`${name} is given more than once`);
  const one = (name: (typeof SINGLE)[number]): string | undefined => values.get(name) ?? undefined;
  const conditions = CONDITION_NAMES.flatMap((name) =>
    values.getAll(name).map((value) => conditionOf(name, value)),
  );
  if (conditions.length > MOST_CONDITIONS)
    throw malformed(`the query has more than ${MOST_CONDITIONS} conditions`);
  const logs = values.getAll('log');
  const [from, before] = [wholeNumber('from', one('from')), wholeNumber('before', one('before'))];
  if ((from !== undefined || before !== undefined) && logs.length !== 1)
    throw malformed('from and before are places in one log: say which with log');
  const join = choice('join', one('join'), ['false', 'true']) === 'true';
  const most = join ? MOST_JOINED : MOST_HITS;
  const limit = wholeNumber('limit', one('limit')) ?? Math.min(DEFAULT_LIMIT, most);
  if (limit < 1 || limit > most) throw malformed(`limit is not from 1 to ${most}`);
  return {
    conditions,
    match: choice('match', one('match'), ['all', 'any']),
    logs,
    since: time('since', one('since')),
    until: time('until', one('until')),
    from,
    before,
    limit,
    cursor: cursorOf(one('cursor')),
    join,
  };
}

/** As {@link searchQueryOf} reads it again. */
export const cursorText = ({ log, before }: PageEnd): string => `${log}:${before}`;

function cursorOf(text: string | undefined): PageEnd | undefined {
  if (text === undefined) return undefined;
  const [, log, before] = /^([a-z][a-z0-9._-]{0,255}):(\d{1,13})$/.exec(text) ?? [];
  if (log === undefined) throw malformed('cursor is none that an answer had');
  return { log, before: wholeNumber('cursor', before) ?? 0 };
}

/** The first of `options` where nothing is said. */
function choice<Option extends string>(
  name: string,
  text: string | undefined,
  options: readonly [Option, ...Option[]],
): Option {
  const found = text === undefined ? options[0] : options.find((option) => option === text);
  if (found !== undefined) return found;
  throw malformed(`${name} is none of ${options.join(' and ')}`);
}

function wholeNumber(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^(?:0|[1-9]\d{0,12})$/.test(text) && Number(text) <= LARGEST_INDEX) return Number(text);
  throw malformed(`${name} is no whole number from 0 to 2^40`);
}

function time(name: string, text: string | undefined): number | undefined {
  const ms = text === undefined ? undefined : parseRfc3339(text);
  if (text === undefined || ms !== undefined) return ms;
  throw malformed(`${name} is no time as in RFC 3339`, 'For example 2026-11-22T10:00:00Z.');
}

const malformed = (
  message: string,
  hint = 'docs/http-api.md has the parameters of this call.',
): SearchError => new SearchError('SEARCH_MALFORMED', message, { hint });
