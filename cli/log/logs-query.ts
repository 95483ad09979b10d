/** What is asked of several logs at once. */
import {
  entryKeys,
  mayMeet,
  meets,
  type SearchCondition,
  type SearchedKind,
} from '../../search/search-keys.ts';
import { mayBeOf, type SearchableEntry } from '../../search/searchable-log.ts';
import { CommandError } from '../program/command.ts';
import { parseInteger } from '../program/options.ts';
import { queryOf as rangeQueryOf, type RangeOptions } from './entry-options.ts';
import type { TargetOptions } from './log-target.ts';
import { isWantedLog } from './open-logs.ts';
import { conditionsOf, type ConditionOptions } from './search-options.ts';

/** Options of a search over several logs. */
export interface LogSearchOptions
  extends TargetOptions, ConditionOptions, Pick<RangeOptions, 'since' | 'until' | 'limit'> {
  readonly in?: readonly string[];
  readonly any?: true;
  readonly join?: true;
  readonly unused?: true;
  readonly usedMoreThan?: string;
  readonly byIndex?: true;
}

/** What is asked for. */
export interface LogsQuery {
  readonly conditions: readonly SearchCondition[];
  readonly match: 'all' | 'any';
  readonly isWanted: (name: string) => boolean;
  readonly in: readonly string[];
  readonly since: number | undefined;
  readonly until: number | undefined;
  readonly limit: number;
  readonly join: boolean;
  /** Of certificates: whether so many uses are asked for. */
  readonly isUsedSo: (uses: number, certificate: SearchableEntry) => boolean;
}

/** What the options ask for. Rejects with {@link CommandError} `USAGE`. */
export async function logsQueryOf(options: LogSearchOptions): Promise<LogsQuery> {
  const { any, join, unused, usedMoreThan, since, until, limit, in: named = [] } = options;
  if (unused === true && usedMoreThan !== undefined)
    throw new CommandError('USAGE', 'give one of --unused and --used-more-than');
  const more =
    usedMoreThan === undefined ? undefined : parseInteger(usedMoreThan, '--used-more-than', 0, 1_000_000);
  const isOfUses = unused === true || more !== undefined;
  const wanted = isOfUses && named.length === 0 ? ['certificates'] : named;
  const now = Date.now();
  const range = rangeQueryOf(
    { ...(since === undefined ? {} : { since }), ...(until === undefined ? {} : { until }) },
    now,
  );
  return {
    conditions: await conditionsOf(options),
    match: any === true ? 'any' : 'all',
    isWanted: (name) => isWantedLog(name, wanted),
    in: wanted,
    since: range.since,
    until: range.until,
    limit: limit === undefined ? Infinity : parseInteger(limit, '--limit', 1, 2 ** 40),
    join: join === true || isOfUses,
    isUsedSo: (uses, certificate) =>
      unused === true ? uses === 0 && isOver(certificate, now) : uses > (more ?? -1),
  };
}

/** One that is still valid may be used yet. */
const isOver = ({ owners }: SearchableEntry, now: number): boolean =>
  owners().every(({ notAfter = 0 }) => notAfter < now);

/** Whether an entry is what is asked for, as far as it says so itself. */
export function isHit(
  { kind }: { readonly kind: SearchedKind },
  view: SearchableEntry,
  query: LogsQuery,
): boolean {
  const { conditions, match, since = 0, until = Number.MAX_SAFE_INTEGER } = query;
  if (!mayBeOf(view, since, until)) return false;
  return conditions.length === 0 || meets(entryKeys(kind, view.entry), conditions, match);
}

/** The same of an entry that a service found: what no body says may have been why. */
export function mayBeHit(
  { kind }: { readonly kind: SearchedKind },
  view: SearchableEntry,
  query: LogsQuery,
): boolean {
  const { conditions, match, since = 0, until = Number.MAX_SAFE_INTEGER } = query;
  if (!mayBeOf(view, since, until)) return false;
  return conditions.length === 0 || mayMeet(kind, view.entry, conditions, match);
}
