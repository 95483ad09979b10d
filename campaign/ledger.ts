/**
 * What the outside knows of a deployment: every answer that a client got, and every head that was ever signed. It is
 * written to a file before it counts, and held against the logs after each fault.
 */
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { equalBytes, toHex } from '../core/bytes.ts';
import { messageOf } from '../core/errors.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import { CompactRange } from '../tlog/format/compact-range.ts';
import type { AcknowledgedEntry, AnswerReader, LogName, SignedTree } from './answers.ts';

/** What a client saw. Plain data, as it is written down. */
export type Observation =
  | {
      readonly kind: 'answer';
      readonly log: LogName;
      readonly status: number;
      /** Seconds or a date, as the header has it. */
      readonly retryAfter?: string | undefined;
      readonly body: string;
      /** Bytes of the record of changes when it came, where there is one. */
      readonly at?: number | undefined;
    }
  | {
      readonly kind: 'head';
      readonly log: LogName;
      readonly checkpoint: string;
      readonly at?: number | undefined;
    }
  /** A connection that was refused or broke off, or an answer that did not come in time. */
  | { readonly kind: 'silence'; readonly log: LogName };

/** A log as it is now. */
export interface CurrentLog {
  /** The newest head: signed where a client asked for it, else the committed one. */
  readonly head: SignedTree;
  /** Leaf hashes of all entries of that head. */
  readonly hashes: readonly Uint8Array[];
  /** SHA-256 of full tiles by their path. */
  readonly tiles: ReadonlyMap<string, string>;
}

/** How much is written down. */
export interface LedgerCounts {
  readonly acknowledged: number;
  readonly heads: number;
  readonly refused: number;
  readonly silent: number;
}

interface Kept<Thing> {
  readonly thing: Thing;
  readonly at: number;
}

/** What is known of one log. */
class LogLedger {
  readonly entries: Kept<AcknowledgedEntry>[] = [];
  readonly heads: Kept<SignedTree>[] = [];
  /** Index by leaf hash. */
  readonly places = new Map<string, number>();
  readonly tiles = new Map<string, string>();
  #hashes: readonly Uint8Array[] = [];
  /** Size up to which heads were paired. */
  #pairedTo = 0;

  addHead(thing: SignedTree, at: number): void {
    const last = this.heads.at(-1)?.thing;
    // The same head is asked for again and again; one of another root is never the same.
    if (last?.size === thing.size && last.timestamp === thing.timestamp && equalBytes(last.root, thing.root))
      return;
    this.heads.push({ thing, at });
  }

  /** Heads that follow each other by size, each pair once: the newest of them, so many. */
  pairs(limit: number): [SignedTree, SignedTree][] {
    const sorted = this.heads
      .map(({ thing }) => thing)
      .filter(({ size }) => size > 0 && size >= this.#pairedTo)
      .sort((a, b) => a.size - b.size);
    const next = sorted.flatMap((head, i): [SignedTree, SignedTree][] => {
      const before = sorted[i - 1];
      return before === undefined || before.size === head.size ? [] : [[before, head]];
    });
    this.#pairedTo = Math.max(this.#pairedTo, sorted.at(-1)?.size ?? 0);
    return next.slice(-limit);
  }

  /** Undefined, or what is wrong with where it is said to be. */
  addEntry(thing: AcknowledgedEntry, at: number): string | undefined {
    this.entries.push({ thing, at });
    if (thing.head !== undefined) this.addHead(thing.head, at);
    const hash = toHex(thing.leafHash);
    const before = this.places.get(hash) ?? thing.index;
    this.places.set(hash, before);
    return before === thing.index
      ? undefined
      : `an entry was acknowledged at ${before} and again at ${thing.index}`;
  }

  /** What is wrong with the log as it is now, by what was known when the record had `upTo` bytes. */
  *faults({ head, hashes, tiles }: CurrentLog, upTo: number): Generator<string> {
    const heads = this.heads.filter(({ at }) => at <= upTo).map(({ thing }) => thing);
    const entries = this.entries.filter(({ at }) => at <= upTo).map(({ thing }) => thing);
    yield* faultsOfHeads([...heads, head], hashes);
    yield* faultsOfEntries(entries, heads, hashes);
    if (upTo !== Infinity) return;
    yield* this.#changes(hashes, tiles);
  }

  /** What was served before is served for ever. */
  *#changes(hashes: readonly Uint8Array[], tiles: ReadonlyMap<string, string>): Generator<string> {
    if (hashes.length < this.#hashes.length)
      yield `the log has ${hashes.length} entries and had ${this.#hashes.length}`;
    const other = this.#hashes.findIndex((hash, i) => !equalBytes(hash, hashes[i] ?? hash));
    if (other !== -1) yield `entry ${other} is another one than before`;
    this.#hashes = hashes;
    for (const [path, hash] of tiles) {
      if ((this.tiles.get(path) ?? hash) !== hash) yield `${path} has other bytes than before`;
      this.tiles.set(path, hash);
    }
  }
}

/** One root for each size, of this very log, with times that rise. */
function* faultsOfHeads(heads: readonly SignedTree[], hashes: readonly Uint8Array[]): Generator<string> {
  const bySize = new Map<number, SignedTree>();
  for (const head of heads) {
    const known = bySize.get(head.size) ?? head;
    if (!equalBytes(known.root, head.root)) yield `two roots of size ${head.size} were signed`;
    if ((known.timestamp ?? head.timestamp) !== head.timestamp && head.timestamp !== undefined)
      yield `the head of size ${head.size} was signed with two times`;
    bySize.set(head.size, known);
  }
  const sizes = [...bySize.keys()].sort((a, b) => a - b);
  const largest = sizes.at(-1) ?? 0;
  if (largest > hashes.length)
    yield `a head of size ${largest} was signed, and the log has ${hashes.length} entries`;
  const range = new CompactRange(sha256);
  for (let size = 0; size <= hashes.length; size++) {
    const leaf = hashes[size - 1];
    if (leaf !== undefined) range.append(leaf);
    const head = bySize.get(size);
    if (head !== undefined && !equalBytes(range.root(), head.root))
      yield `the signed root of size ${size} is not that of the log`;
  }
  const times = sizes.flatMap((size) => bySize.get(size)?.timestamp ?? []);
  if (times.some((time, i) => i > 0 && time <= (times[i - 1] ?? 0))) yield 'the times of heads do not rise';
}

/** Each is in the log, in its place, and under no head that is older. */
function* faultsOfEntries(
  entries: readonly AcknowledgedEntry[],
  heads: readonly SignedTree[],
  hashes: readonly Uint8Array[],
): Generator<string> {
  const earliest = earliestCovers(heads, hashes.length);
  for (const { index, leafHash, timestamp = 0 } of entries) {
    const hash = hashes[index];
    if (hash === undefined) yield `entry ${index} was acknowledged, and the log has ${hashes.length}`;
    else if (!equalBytes(hash, leafHash)) yield `another entry is at ${index} than was acknowledged`;
    if ((earliest[index] ?? Infinity) < timestamp) yield `a head over entry ${index} is older than the entry`;
  }
}

/** For each index the earliest time of a head that covers it. */
function earliestCovers(heads: readonly SignedTree[], size: number): Float64Array {
  const times = new Float64Array(size).fill(Infinity);
  for (const { size: covers, timestamp = Infinity } of heads)
    if (covers > 0 && covers <= size) times[covers - 1] = Math.min(times[covers - 1] ?? Infinity, timestamp);
  for (let i = size - 2; i >= 0; i--) times[i] = Math.min(times[i] ?? Infinity, times[i + 1] ?? Infinity);
  return times;
}

/** The ledger of one deployment over all its runs. */
export class Ledger {
  readonly #readers: Readonly<Record<LogName, AnswerReader>>;
  readonly #logs = { certificates: new LogLedger(), artifacts: new LogLedger() };
  readonly #found: string[] = [];
  readonly #file: number;
  #refused = 0;
  #silent = 0;

  private constructor(readers: Readonly<Record<LogName, AnswerReader>>, file: number) {
    this.#readers = readers;
    this.#file = file;
  }

  /** Opens the ledger in `path`, or makes it. Its own end loses nothing that {@link note} resolved for. */
  static async open(path: string, readers: Readonly<Record<LogName, AnswerReader>>): Promise<Ledger> {
    const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];
    const ledger = new Ledger(readers, openSync(path, 'a', 0o600));
    for (const line of lines) await ledger.#take(JSON.parse(line) as Observation);
    return ledger;
  }

  get counts(): LedgerCounts {
    const logs = Object.values(this.#logs);
    return {
      acknowledged: logs.reduce((sum, { entries }) => sum + entries.length, 0),
      heads: logs.reduce((sum, { heads }) => sum + heads.length, 0),
      refused: this.#refused,
      silent: this.#silent,
    };
  }

  /** Writes it down durably, and judges what can be judged at once. */
  async note(observations: readonly Observation[]): Promise<void> {
    writeSync(this.#file, observations.map((one) => `${JSON.stringify(one)}\n`).join(''));
    fsyncSync(this.#file);
    for (const one of observations) await this.#take(one);
  }

  async #take(observation: Observation): Promise<void> {
    const { log } = observation;
    try {
      if (observation.kind === 'silence') this.#silent++;
      else if (observation.kind === 'head')
        this.#logs[log].addHead(
          this.#readers[log].head(Buffer.from(observation.checkpoint)),
          observation.at ?? 0,
        );
      else await this.#takeAnswer(observation);
    } catch (error) {
      this.#found.push(`${log}: ${messageOf(error)}`);
    }
  }

  async #takeAnswer({
    log,
    status,
    retryAfter,
    body,
    at = 0,
  }: Extract<Observation, { kind: 'answer' }>): Promise<void> {
    if (status === 200 || status === 201) {
      const fault = this.#logs[log].addEntry(await this.#readers[log].entry(body), at);
      if (fault !== undefined) this.#found.push(`${log}: ${fault}`);
    } else if (status !== 503) this.#found.push(`${log}: refused with ${status} ${body.slice(0, 200)}`);
    else {
      this.#refused++;
      if (retryAfter === undefined) this.#found.push(`${log}: refused with 503 and without Retry-After`);
    }
  }

  /** What is wrong with a log as it is now, and what was found before: each sentence once. `upTo`: what came when the record of changes was longer does not count. */
  verify(log: LogName, current: CurrentLog, upTo = Infinity): string[] {
    const faults = [...this.#logs[log].faults(current, upTo)].map((fault) => `${log}: ${fault}`);
    return [...new Set([...this.#found.splice(0), ...faults])];
  }

  /** Heads that follow each other by size, each pair once and at most `limit`: for each the log has to have a proof of consistency. */
  pairs(log: LogName, limit: number): readonly (readonly [SignedTree, SignedTree])[] {
    return this.#logs[log].pairs(limit);
  }

  close(): void {
    closeSync(this.#file);
  }
}
