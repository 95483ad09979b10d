/** A part of a campaign: faults of one kind, after each of which every promise is held to the ledger. */
import type { Build } from './deployment.ts';
import type { LedgerCounts } from './ledger.ts';
import type { Trial, World } from './trial.ts';

/** How much is tried. */
export interface Scale {
  /** Ends of a process under load. */
  readonly kills: number;
  /** Of the failing steps, each in each way, one in so many is tried. */
  readonly stepStride: number;
  /** How long a disk fails, in milliseconds. */
  readonly outageMs: number;
  /** Faults of a replica, and for how many milliseconds one is paused. */
  readonly replicaFaults: number;
  readonly pauseMs: number;
  /** How long a database, or the way to it, is away, in milliseconds. */
  readonly awayMs: number;
  /** Ends of a database. */
  readonly databaseFaults: number;
  /** Standbys that are promoted. */
  readonly failovers: number;
  /** Faults of a network. */
  readonly networkFaults: number;
  /** Faults of a bucket. */
  readonly bucketFaults: number;
  /** Moments at which the power is cut, each in every kind. */
  readonly cuts: number;
}

/** What a chapter did and found. */
export interface ChapterResult {
  /** What was done how often. */
  readonly done: ReadonlyMap<string, number>;
  readonly counts: LedgerCounts;
  /** Every broken promise, a sentence each. */
  readonly found: readonly string[];
}

/** How the finding begins of a chapter that failed by itself. */
export const NOT_TRIED = 'it could not be tried to its end';

/** Findings that a machine which stalls, or takes away a port, brings about as well. Wording of trial.ts and failovers.ts. */
export const MAY_BE_CHANCE: readonly string[] = [
  NOT_TRIED,
  'nothing goes on meanwhile',
  'the service does not come back by itself',
  'the replicas do not come to the same heads',
  'it is not noticed that another server answers',
  'EADDRINUSE',
];

/** Whether a promise was broken for certain: by some finding that no stall explains. Then a run with other random numbers that holds is no
 * answer. */
export const isBroken = (found: readonly string[]): boolean =>
  found.some((fault) => !MAY_BE_CHANCE.some((words) => fault.includes(words)));

/** Where the logs lie: one process with SQLite and files, or three with a database that they share. */
export type Store = 'SQLite' | 'PostgreSQL';

/** A chapter. */
export interface Chapter {
  readonly name: string;
  /** What is done, in a sentence or two. */
  readonly what: string;
  readonly store: Store;
  /** `random` returns numbers from 0 to below 1. Ends at the first promise that is broken. */
  readonly run: (world: World, build: Build, scale: Scale, random: () => number) => Promise<ChapterResult>;
}

/** Counts what is done. */
export class Done extends Map<string, number> {
  add(name: string, count = 1): void {
    this.set(name, (this.get(name) ?? 0) + count);
  }
}

/** What ledgers of several trials have, together. */
export const sumOf = (one: LedgerCounts, other: LedgerCounts): LedgerCounts => ({
  acknowledged: one.acknowledged + other.acknowledged,
  heads: one.heads + other.heads,
  refused: one.refused + other.refused,
  silent: one.silent + other.silent,
});

/** Nothing. */
export const NO_COUNTS: LedgerCounts = { acknowledged: 0, heads: 0, refused: 0, silent: 0 };

/** The result of a chapter that is over, with what the last check of the directory finds; ends the trial. `before`: what earlier trials of the
 * chapter counted. */
export async function endOf(
  trial: Trial,
  done: ReadonlyMap<string, number>,
  found: readonly string[],
  before = NO_COUNTS,
): Promise<ChapterResult> {
  try {
    const all = found.length > 0 ? found : await trial.finish();
    return { done, counts: sumOf(before, trial.counts), found: [...new Set(all)] };
  } finally {
    await trial.close();
  }
}
