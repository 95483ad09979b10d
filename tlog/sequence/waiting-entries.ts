/** Entries that wait to be logged, with those who wait for them. */
import { toHex } from '../../core/bytes.ts';
import type { Committed, EntryClaim } from '../core/committed.ts';
import { LogError } from '../core/log-error.ts';
import type { PlacedEntry } from '../format/entry-format.ts';

/** The part of a kind of log that encodes what callers hand in. */
export interface EntryPlacer<Entry, Placed extends PlacedEntry> {
  /** Encodes an entry at its place; `timestamp` is that of the head that will cover it, in milliseconds since the epoch.
   * Throws LogError `LOG_ENTRY_REFUSED` for one that can never be logged. Runs for every entry: cheap. */
  place(entry: Entry, index: number, timestamp: number): Placed;
}

/** One entry and what becomes of it. */
interface Waiter<Entry, Receipt> {
  readonly entry: Entry;
  readonly claim: EntryClaim | undefined;
  readonly resolve: (committed: Committed<Receipt>) => void;
  readonly reject: (error: unknown) => void;
}

/** What a batch logs; `waiters[i]` waits for `entries[i]`. */
export interface PlacedBatch<Entry, Receipt, Placed> {
  readonly waiters: readonly Waiter<Entry, Receipt>[];
  readonly entries: readonly Placed[];
}

/** The queue of a sequencer. A waiter that was resolved or rejected stays so: what comes later changes nothing. */
export class WaitingEntries<Entry, Receipt, Placed> {
  #queue: Waiter<Entry, Receipt>[] = [];
  #inBatch: readonly Waiter<Entry, Receipt>[] = [];

  /** Entries that are in no batch yet. */
  get queued(): number {
    return this.#queue.length;
  }

  /** Entries whose batch is not done yet, with those in none. */
  get all(): number {
    return this.#queue.length + this.#inBatch.length;
  }

  add(entry: Entry, claim?: EntryClaim): Promise<Committed<Receipt>> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ entry, claim, resolve, reject });
    });
  }

  /** Begins a batch of the first `limit` entries. `place` says where each goes, by its place in the batch; one for which it
   * throws, or that claims what another one of the batch does, is refused alone and takes no place. */
  take(limit: number, place: (entry: Entry, at: number) => Placed): PlacedBatch<Entry, Receipt, Placed> {
    const taken = this.#queue.splice(0, limit);
    const waiters: Waiter<Entry, Receipt>[] = [];
    const entries: Placed[] = [];
    const claimed = new Set<string>();
    for (const waiter of taken) {
      try {
        if (waiter.claim !== undefined) requireUnclaimed(claimed, waiter.claim);
        entries.push(place(waiter.entry, entries.length));
        waiters.push(waiter);
      } catch (error) {
        waiter.reject(error);
      }
    }
    this.#inBatch = waiters;
    return { waiters, entries };
  }

  /** Nothing of the batch was logged: it waits in front again, to be placed anew. */
  putBack(): void {
    this.#queue.unshift(...this.#inBatch);
    this.#inBatch = [];
  }

  /** What the entries of the batch use up. */
  get claims(): readonly EntryClaim[] {
    return this.#inBatch.flatMap(({ claim }) => claim ?? []);
  }

  /** Nothing of the batch was logged, because these claims were taken before: their entries are refused, and the rest waits in front again. */
  refuseClaims(keys: readonly Uint8Array[]): void {
    const taken = new Set(keys.map(toHex));
    const isTaken = ({ claim }: Waiter<Entry, Receipt>): boolean =>
      claim !== undefined && taken.has(toHex(claim.key));
    for (const waiter of this.#inBatch) if (isTaken(waiter)) waiter.reject(claimTaken());
    this.#inBatch = this.#inBatch.filter((waiter) => !isTaken(waiter));
    this.putBack();
  }

  /** The batch is done. */
  endBatch(): void {
    this.#inBatch = [];
  }

  /** Rejects those in no batch yet. */
  rejectQueued(error: unknown): void {
    for (const { reject } of this.#queue.splice(0)) reject(error);
  }

  /** Rejects all. The entries of the batch may have been stored. */
  rejectAll(error: LogError): void {
    for (const { reject } of this.#inBatch) reject(error.ofStored());
    this.#inBatch = [];
    this.rejectQueued(error);
  }
}

function requireUnclaimed(claimed: Set<string>, { key }: EntryClaim): void {
  const name = toHex(key);
  if (claimed.has(name)) throw claimTaken();
  claimed.add(name);
}

const claimTaken = (): LogError =>
  new LogError('LOG_CLAIM_TAKEN', 'what the entry was to use up was used up before');
