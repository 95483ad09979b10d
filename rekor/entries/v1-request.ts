/**
 * Requests of the first API as they arrive: small ones are read at once, and large ones in a thread, because an envelope of mebibytes is scanned, decoded, hashed and verified in
 * a tenth of a second, in which the event loop would do nothing else. So are those that are looked for by checks of signatures, for which nobody has shown who he is. The thread reads one after the other, and ends soon after the last one, with the memory that it took.
 */
import { startWorker, type WorkerChannel } from '../../storage/worker-channel.ts';
import { EntryError, type EntryReason, type StockRefusal } from './entry-error.ts';
import type { AdmitVerifier, ProposedEntry } from './proposed-entry.ts';
import { ChecksNeeded, MAX_CHECKS, NoChecks } from './signature-checks.ts';
import { decodeV1Json, readV1Proposal, soughtV1Body } from './v1-proposal.ts';

/** Bytes of a request up to which it is read where it arrived. */
export const LARGE_REQUEST = 64 * 1024;

/** Asks the thread: to read a request to log an entry, or for the body of an entry that is looked for, with so many checks of signatures at most. */
export type ThreadRequest =
  | { readonly kind: 'propose'; readonly bytes: Uint8Array }
  | { readonly kind: 'seek'; readonly json: unknown; readonly most: number };

/** What the thread answers. */
export interface ThreadReply {
  readonly proposal?: ProposedEntry;
  readonly body?: Uint8Array | undefined;
  /** Checks of signatures that finding the body took. */
  readonly checks?: number;
  readonly refusal?: SentRefusal;
}

/** What of an {@link EntryError} reaches another thread. */
interface SentRefusal {
  readonly code: EntryReason;
  readonly message: string;
  readonly hint: string | undefined;
  readonly stock: StockRefusal | undefined;
}

/** The entry that a request proposes, every signature verified. The bytes may not change before it resolves. Rejects with {@link EntryError} for what makes no entry, and
 * with what `admit` throws, which is asked afterwards where the thread checked the signatures. */
export async function readV1Request(bytes: Uint8Array, admit?: AdmitVerifier): Promise<ProposedEntry> {
  if (bytes.length <= LARGE_REQUEST) return readV1Proposal(decodeV1Json(bytes), admit);
  const { proposal } = await thread.ask({ kind: 'propose', bytes });
  if (proposal === undefined) throw new Error('the thread read a request, and returned nothing');
  if (admit !== undefined) proposal.verifiers.forEach(admit);
  return proposal;
}

/** A request for entries, of so many bytes, whose items share what it may cost. */
export class SoughtEntries {
  readonly #length: number;
  #checks = 0;

  constructor(length: number) {
    this.#length = length;
  }

  /** Checks of signatures that it has cost, or may have. */
  get checks(): number {
    return this.#checks;
  }

  /** {@link soughtV1Body} for one of its items: where that takes checks of signatures, and in large requests, in the thread. Each item of a large one has checks of its own. */
  async bodyOf(json: unknown): Promise<Uint8Array | undefined> {
    const isLarge = this.#length > LARGE_REQUEST;
    try {
      if (!isLarge) return await soughtV1Body(json, new NoChecks());
    } catch (error) {
      if (!(error instanceof ChecksNeeded)) throw error;
    }
    const most = isLarge ? MAX_CHECKS : MAX_CHECKS - this.#checks;
    const before = this.#checks;
    // Unless the thread says that they were fewer.
    this.#checks += most;
    const { body, checks = 0 } = await thread.ask({ kind: 'seek', json, most });
    this.#checks = before + checks;
    return body;
  }
}

/** Milliseconds for which the thread waits for the next request: starting it takes longer than most of them. */
const LINGER = 2_000;

/** The thread, which runs while there are requests for it. */
class RequestThread {
  #ending: NodeJS.Timeout | undefined;
  #channel: WorkerChannel<ThreadRequest, ThreadReply> | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #open = 0;

  /** Requests are sent one by one, so that the thread holds one at a time. */
  async ask(request: ThreadRequest): Promise<ThreadReply> {
    this.#open++;
    clearTimeout(this.#ending);
    try {
      const asked = this.#last.then(() => this.#send(request));
      this.#last = asked.catch(() => undefined);
      const { refusal, ...reply } = await asked;
      if (refusal === undefined) return reply;
      const { code, message, ...details } = refusal;
      throw new EntryError(code, message, details);
    } finally {
      if (--this.#open === 0) this.#endSoon();
    }
  }

  #send(request: ThreadRequest): Promise<ThreadReply> {
    if (this.#channel?.isGone === true) this.#channel = undefined;
    this.#channel ??= startWorker({
      beside: import.meta.url,
      name: 'v1-request-worker',
      workerData: undefined,
      gone: (reason) => new Error(reason),
      isIdleWhenUnasked: true,
    });
    return this.#channel.ask(request);
  }

  #endSoon(): void {
    this.#ending = setTimeout(() => {
      const channel = this.#channel;
      this.#channel = undefined;
      void channel?.terminate();
    }, LINGER).unref();
  }
}

const thread = new RequestThread();
