/** When one certificate log follows another by itself: by the calendar, at given times, or by the number of entries. */
import { rfc3339 } from '../core/clock.ts';

/** The rules of a configuration. */
export interface ShardRules {
  /** A log ends where each of these begins, in UTC. */
  readonly every: 'year' | 'half-year' | 'quarter' | 'month' | undefined;
  /** Further times at which one ends, milliseconds since the epoch, rising. */
  readonly at: readonly number[];
  /** Entries with which one ends. */
  readonly entries: number | undefined;
  /** Milliseconds for which a log is trusted before it is in use. */
  readonly leadMs: number;
  /** Who makes the next log. */
  readonly stagedBy: 'service' | 'operator';
}

/** The logs as they are. Times are milliseconds since the epoch. */
export interface ShardState {
  /** When the log in use was made, and since when it is in use; undefined where nothing says so, or where it was the first one. */
  readonly createdAt: number;
  readonly inUseSince: number | undefined;
  /** Entries of the log in use. */
  readonly size: number;
  /** When the log that is to follow was made; undefined while there is none. */
  readonly stagedAt: number | undefined;
  /** Since when every verifier that fetches the trust gets its key; undefined where it does not. */
  readonly publishedAt: number | undefined;
}

/** What is to be done. */
export interface ShardPlan {
  /** When the log in use ends by the calendar; undefined where nothing says so. */
  readonly endsAt: number | undefined;
  /** Whether that is soon. */
  readonly isNear: boolean;
  /** Whether the next log should be there. */
  readonly needsNext: boolean;
  /** Whether the next log is to be put in use now. */
  readonly isDue: boolean;
  /** What is late, or keeps the next log from being in time, a sentence; undefined while all is in time. */
  readonly late: string | undefined;
}

/** Milliseconds by which the next log is made earlier than its lead time asks for, so that it is in time whatever keeps the service for a moment. */
const MARGIN = 3_600_000;

/** Months of each. */
const MONTHS = { month: 1, quarter: 3, 'half-year': 6, year: 12 } as const;

/** Milliseconds by which a log may be younger than now: clocks are corrected. */
const TOLERANCE = 60_000;

/**
 * What the rules ask for at `now`. A log ends at the first of their times that is later than when it came into use, and not before it
 * was there for as long as the lead time: a log that was made for the end of the year does not end with it, nor does one that was made by `init` in its last days.
 * The next one is never put in use before verifiers had the lead time to get its key, also where it was made or published late.
 */
export function shardPlan(rules: ShardRules, state: ShardState, now: number): ShardPlan {
  const { leadMs, entries, stagedBy } = rules;
  const { stagedAt, publishedAt, size } = state;
  const since = Math.max(state.createdAt + leadMs + MARGIN, state.inUseSince ?? -Infinity);
  const endsAt = firstTimeAfter(rules, since);
  const isFull = entries !== undefined && size >= entries;
  const isOver = (endsAt !== undefined && now >= endsAt) || isFull;
  // An operator is asked twice as long before.
  const ahead = (stagedBy === 'service' ? leadMs : 2 * leadMs) + MARGIN;
  const isNear = endsAt !== undefined && now >= endsAt - ahead;
  const needsNext = isNear || (entries !== undefined && size >= entries / 2);
  const isKnown =
    stagedAt !== undefined && publishedAt !== undefined && now >= Math.max(stagedAt, publishedAt) + leadMs;
  return { endsAt, isNear, needsNext, isDue: isOver && isKnown, late: lateness() };

  function lateness(): string | undefined {
    if (stagedAt !== undefined && stagedAt > now + TOLERANCE)
      return `the log that is to follow was made at ${rfc3339(stagedAt)}, which is to come: the clock was wrong then. Give it up with \`mayfly log rotate --discard\``;
    const isLateFor = isOver || (endsAt !== undefined && now > endsAt - leadMs);
    if (stagedAt !== undefined && publishedAt === undefined && isLateFor)
      return `${isOver ? 'the log in use should have ended' : 'the log in use will end later than it should'}: the targets of the TUF repository are not signed with the key of the next one`;
    if (!isOver || isKnown) return undefined;
    return stagedAt === undefined
      ? 'the log in use should have ended, and there is none to follow it'
      : 'the log in use should have ended, and the next one is not there for as long as verifiers are to have its key';
  }
}

/** The first time of the calendar, or of those that are given, after `since`. */
function firstTimeAfter({ every, at }: ShardRules, since: number): number | undefined {
  const times = at.filter((time) => time > since);
  if (every !== undefined) times.push(beginningAfter(every, since));
  return times.length === 0 ? undefined : Math.min(...times);
}

function beginningAfter(every: keyof typeof MONTHS, since: number): number {
  const date = new Date(since);
  const months = MONTHS[every];
  const month = (Math.floor(date.getUTCMonth() / months) + 1) * months;
  return Date.UTC(date.getUTCFullYear(), month);
}

/** Names for the log that begins when the one in use ends, the usual one first: for a year `2027`, then `2027h1`, `2027q1`, `2027-01`, else the day. Where a number of entries ends it, that of today's year. */
export function shardNames(
  { every }: ShardRules,
  endsAt: number | undefined,
  now: number,
): readonly string[] {
  const date = new Date(endsAt ?? now);
  const [year, month] = [String(date.getUTCFullYear()), date.getUTCMonth()];
  const isBeginning =
    endsAt !== undefined && every !== undefined && beginningAfter(every, endsAt - 1) === endsAt;
  const base =
    endsAt === undefined ? year : isBeginning ? nameOf(every, year, month) : date.toISOString().slice(0, 10);
  return [base, ...Array.from({ length: MOST_OF_A_NAME }, (_, i) => `${base}-${i + 2}`)];
}

/** Logs of one year, where entries end them, and what is given up and made anew. */
const MOST_OF_A_NAME = 998;

function nameOf(every: keyof typeof MONTHS, year: string, month: number): string {
  const nth = Math.floor(month / MONTHS[every]) + 1;
  const parts = {
    year: '',
    'half-year': `h${nth}`,
    quarter: `q${nth}`,
    month: `-${String(nth).padStart(2, '0')}`,
  };
  return `${year}${parts[every]}`;
}
