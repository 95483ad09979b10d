import type { Clock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import type { ServiceLog } from '../server/operator/service-log.ts';
import { entriesOf } from '../trust/entries.ts';
import { exportTrust, type ExportNotes } from '../trust/export.ts';
import { encodeTrustedRoot } from '../trust/format/trusted-root.ts';
import { readTrust, type InstanceTrust, type TrustPlaces } from '../trust/ledger.ts';

/** What is published, and how. */
interface PublishedTrustOptions {
  readonly places: TrustPlaces;
  /** What the files say besides; asked each time. */
  readonly notes: () => Omit<ExportNotes, 'now'>;
  readonly clock: Clock;
  readonly log: Pick<ServiceLog, 'note'>;
}

/** Milliseconds for which what was read is not read again. */
const FRESH_MS = 5000;

type Files = ReadonlyMap<string, Uint8Array>;

/** The files for verifiers, as the data directory has them now: what a command stages there while the service runs is published without a
 * restart. Reads at most once in five seconds, and when that fails publishes what it read before, with a line in the log. */
export class PublishedTrust {
  readonly #options: PublishedTrustOptions;
  #readAt = -Infinity;
  #reading: Promise<Files> | undefined;
  #files: Files | undefined;
  /** Of what the files were made. */
  #madeOf = '';
  #fault = '';
  #warned: readonly string[] = [];

  constructor(options: PublishedTrustOptions) {
    this.#options = options;
  }

  /** The same map as before while nothing has changed. Rejects with TrustError or LogError when nothing was ever read. */
  async current(): Promise<Files> {
    const age = this.#options.clock() - this.#readAt;
    // A clock that was set back is no reason to wait.
    if (this.#files !== undefined && age >= 0 && age < FRESH_MS) return this.#files;
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #read(): Promise<Files> {
    const { places, clock, log } = this.#options;
    try {
      const trust = await readTrust(places);
      this.#warn(trust.unreadable);
      const files = this.#filesOf(trust);
      this.#fault = '';
      return files;
    } catch (error) {
      if (this.#files === undefined) throw error;
      const sentence = messageOf(error);
      if (sentence !== this.#fault)
        log.note('error', 'trust material not read; what was read before stays published', { sentence });
      this.#fault = sentence;
      return this.#files;
    } finally {
      this.#readAt = clock();
    }
  }

  /** Says each once. */
  #warn(sentences: readonly string[]): void {
    for (const sentence of sentences)
      if (!this.#warned.includes(sentence)) this.#options.log.note('warn', 'warning', { sentence });
    this.#warned = sentences;
  }

  /** Made anew when something has changed, and not before: it takes some milliseconds. */
  #filesOf(trust: InstanceTrust): Files {
    const now = this.#options.clock();
    const notes = { ...this.#options.notes(), now };
    const hasEnded = entriesOf(trust.root).map(({ window: { end } }) => end !== undefined && end < now);
    const names = trust.logs.map(({ name }) => name);
    const madeOf = JSON.stringify([encodeTrustedRoot(trust.root), names, hasEnded, { ...notes, now: 0 }]);
    if (this.#files === undefined || madeOf !== this.#madeOf) this.#files = exportTrust(trust, notes);
    this.#madeOf = madeOf;
    return this.#files;
  }
}
