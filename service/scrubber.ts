/**
 * Reads everything that the logs store, slowly and again and again, and holds it to their trees: a bit that flips on a disk is found before
 * somebody needs the file. The reading is done in a thread of its own, one bundle of 256 entries at a time, with a rest after each that is at least twenty times as long as it took; while the
 * process is busy it rests longer. It goes on after a restart where it was. It says what it finds, and stops nothing.
 */
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { utf8, utf8Text } from '../core/bytes.ts';
import { messageOf } from '../core/errors.ts';
import { writeDurably } from '../storage/durable-file.ts';
import { startWorker, type WorkerChannel } from '../storage/worker-channel.ts';
import type { ServiceLog } from '../server/operator/service-log.ts';
import type { ScrubStatus } from '../server/operator/service-sources.ts';
import { readLogFile } from '../tlog/core/log-file.ts';
import type { LogStatus } from '../tlog/log-status.ts';
import type { PublishedTree } from '../tlog/published-tree.ts';
import { TILE_WIDTH, tileWidth } from '../tlog/format/tile.ts';
import type { StoredEntry } from '../tlog/format/entry-format.ts';
import type { ScrubReply, ScrubRequest, ScrubSubject } from './scrub-worker.ts';

/** A log that is read through. */
export interface ScrubbedLog extends ScrubSubject {
  readonly name: string;
  readonly log: { readonly tree: Pick<PublishedTree<StoredEntry>, 'tiles'>; status(): LogStatus };
}

/** Name inside a log's directory: how far it was read, for the next start. It may be missing. */
export const SCRUB_FILE = 'scrub.json';

/** The rest after a bundle, as a multiple of the time that it took. */
const REST = 20;
/** Milliseconds: the longest rest after a bundle, between two notes of how far it was read, and while the process is busy. */
const LONGEST_REST = 600_000;
const NOTE_INTERVAL = 60_000;
const BUSY_REST = 2_000;
const MOST_BUSY_RESTS = 30;
/** Share of its time for which the thread that answers is busy under load. */
const BUSY = 0.3;
/** Damaged files that are remembered. */
const REMEMBERED = 1_000;

type ScrubChannel = WorkerChannel<ScrubRequest, ScrubReply>;

/** One log. */
class Scrubber {
  readonly #log: ScrubbedLog;
  readonly #channel: ScrubChannel;
  readonly #passMs: number;
  readonly #note: ServiceLog['note'];
  readonly #abort = new AbortController();
  /** Bundle → what is damaged there. */
  readonly #damage = new Map<number, ScrubReply['damage']>();
  #next = 0;
  #bundles = 0;
  #endedAt: number | undefined;
  #failure: string | undefined;
  #notedAt = Number.NEGATIVE_INFINITY;
  #running: Promise<void> | undefined;

  /** A pass takes `passMs` milliseconds, or as long as the rests need. */
  constructor(log: ScrubbedLog, channel: ScrubChannel, passMs: number, note: ServiceLog['note']) {
    this.#log = log;
    this.#channel = channel;
    this.#passMs = passMs;
    this.#note = note;
  }

  /** Begins to read. */
  start(): void {
    this.#running ??= this.#run();
  }

  status(): ScrubStatus {
    const damaged = [...this.#damage.values()].flat();
    return {
      name: this.#log.name,
      entries: this.#next * TILE_WIDTH,
      of: this.#bundles * TILE_WIDTH,
      damaged: damaged.length,
      first: damaged[0]?.sentence,
      endedAt: this.#endedAt,
      failure: this.#failure,
    };
  }

  /** Ends it. Idempotent. */
  async close(): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    try {
      await this.#readNote();
      while (!this.#abort.signal.aborted) await this.#pass(this.#channel);
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      this.#failure = messageOf(error);
      this.#note('warn', 'stored files not read through', { log: this.#log.name, sentence: this.#failure });
    }
  }

  async #pass(channel: ScrubChannel): Promise<void> {
    const began = performance.now();
    const { directory, api, log } = this.#log;
    const { tree } = log;
    const { size, tileBacklog } = log.status();
    this.#bundles = Math.max(0, Math.floor(size / TILE_WIDTH) - tileBacklog);
    const edge = await edgeOf(this.#bundles * TILE_WIDTH, tree.tiles);
    const subject = { directory, api };
    await channel.ask({ kind: 'begin', subject, size: this.#bundles * TILE_WIDTH, edge });
    const remaining = Math.max(1, this.#bundles - this.#next);
    const pace = Math.min(LONGEST_REST, this.#passMs / Math.max(1, this.#bundles));
    // What was damaged before the start is looked at first.
    for (const n of [...this.#damage.keys()]) if (n < this.#bundles) await this.#look(channel, n);
    for (; this.#next < this.#bundles && !this.#abort.signal.aborted; this.#next++) {
      const took = await this.#look(channel, this.#next);
      await this.#rest(Math.max(pace, REST * took));
      await this.#noteNow(false);
    }
    if (this.#abort.signal.aborted) return;
    this.#next = 0;
    this.#endedAt = Date.now();
    await this.#noteNow(true);
    const share = (this.#passMs * remaining) / Math.max(1, this.#bundles);
    await this.#sleep(Math.max(1_000, Math.min(LONGEST_REST * 6, began + share - performance.now())));
  }

  /** Returns how long it took, in milliseconds. */
  async #look(channel: ScrubChannel, n: number): Promise<number> {
    const began = performance.now();
    const { damage, failure } = await channel.ask({ kind: 'look', directory: this.#log.directory, n });
    this.#failure = failure;
    const known = this.#damage.get(n)?.map(({ sentence }) => sentence) ?? [];
    for (const { sentence } of damage)
      if (!known.includes(sentence))
        this.#note('error', 'stored file damaged', { log: this.#log.name, sentence });
    if (damage.length === 0 && this.#damage.delete(n))
      this.#note('info', 'stored file right again', { log: this.#log.name, sentence: known.join('; ') });
    if (damage.length > 0 && (this.#damage.has(n) || this.#damage.size < REMEMBERED))
      this.#damage.set(n, damage);
    return performance.now() - began;
  }

  /** While the process is busy, longer, but not for ever: a service that always is gets its files read, too. */
  async #rest(ms: number): Promise<void> {
    await this.#sleep(ms);
    for (let i = 0; i < MOST_BUSY_RESTS && !this.#abort.signal.aborted; i++) {
      const before = performance.eventLoopUtilization();
      await this.#sleep(Math.min(BUSY_REST, Math.max(50, ms)));
      if (performance.eventLoopUtilization(before).utilization < BUSY) return;
    }
  }

  async #sleep(ms: number): Promise<void> {
    await delay(ms, undefined, { ref: false, signal: this.#abort.signal }).catch(() => undefined);
  }

  async #readNote(): Promise<void> {
    try {
      const bytes = await readLogFile(this.#log.directory, SCRUB_FILE);
      const { next, damaged, endedAt } = JSON.parse(utf8Text(bytes ?? new Uint8Array())) as Record<
        string,
        unknown
      >;
      if (typeof next === 'number' && Number.isSafeInteger(next) && next >= 0) this.#next = next;
      if (typeof endedAt === 'number') this.#endedAt = endedAt;
      if (Array.isArray(damaged))
        for (const n of damaged.slice(0, REMEMBERED))
          if (typeof n === 'number' && Number.isSafeInteger(n) && n >= 0) this.#damage.set(n, []);
    } catch {
      // It begins anew.
    }
  }

  /** What cannot be written costs no more than that a part is read again. */
  async #noteNow(isEnd: boolean): Promise<void> {
    if (!isEnd && performance.now() - this.#notedAt < NOTE_INTERVAL) return;
    this.#notedAt = performance.now();
    const note = {
      next: isEnd ? 0 : this.#next + 1,
      damaged: [...this.#damage.keys()],
      endedAt: this.#endedAt,
    };
    const path = join(this.#log.directory, SCRUB_FILE);
    await writeDurably(path, utf8(`${JSON.stringify(note)}\n`), 0o644).catch(() => undefined);
  }
}

/** The hashes at the edge of the tree of that size, by their levels from 1 up. */
async function edgeOf(size: number, tiles: PublishedTree<StoredEntry>['tiles']): Promise<Uint8Array[]> {
  const edge: Uint8Array[] = [];
  for (let level = 1; TILE_WIDTH ** level <= size; level++) {
    const n = Math.floor(size / TILE_WIDTH ** (level + 1));
    const width = tileWidth(level, n, size);
    edge.push(width === 0 ? new Uint8Array() : Uint8Array.from(await tiles.tile({ level, n, width })));
  }
  return edge;
}

/** Milliseconds from the start of a service until anything is read. */
const FIRST_REST = 10_000;

/** All logs that a service holds open: one thread reads them by turns. */
export class Scrubbing {
  readonly #passMs: number;
  readonly #note: ServiceLog['note'];
  #logs: readonly ScrubbedLog[];
  #channel: ScrubChannel | undefined;
  #scrubbers: readonly Scrubber[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(logs: readonly ScrubbedLog[], passMs: number, note: ServiceLog['note']) {
    this.#logs = logs;
    this.#passMs = passMs;
    this.#note = note;
  }

  /** Begins to read all of them, after `restMs` milliseconds. */
  start(restMs = FIRST_REST): void {
    this.#timer ??= setTimeout(() => {
      this.#begin();
    }, restMs).unref();
  }

  #begin(): void {
    const channel: ScrubChannel = startWorker({
      beside: import.meta.url,
      name: 'scrub-worker',
      workerData: undefined,
      gone: (reason) => new Error(reason),
      isIdleWhenUnasked: true,
    });
    this.#channel = channel;
    this.#scrubbers = this.#logs.map((log) => new Scrubber(log, channel, this.#passMs, this.#note));
    for (const scrubber of this.#scrubbers) scrubber.start();
  }

  /** That log is read in the place of the one called `former`, which is not held open any more. Resolves when nothing reads that. */
  async follow(former: string, log: ScrubbedLog): Promise<void> {
    const at = this.#logs.findIndex(({ name }) => name === former);
    this.#logs = this.#logs.with(at, log);
    const channel = this.#channel;
    const scrubber = this.#scrubbers[at];
    if (channel === undefined || scrubber === undefined) return;
    const next = new Scrubber(log, channel, this.#passMs, this.#note);
    this.#scrubbers = this.#scrubbers.with(at, next);
    await scrubber.close();
    next.start();
  }

  /** Of each log, once it is read. */
  status(): readonly ScrubStatus[] {
    return this.#scrubbers.map((scrubber) => scrubber.status());
  }

  /** Ends it, and the thread. Idempotent. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    const ended = Promise.all(this.#scrubbers.map((scrubber) => scrubber.close()));
    await this.#channel?.terminate();
    await ended;
  }
}
