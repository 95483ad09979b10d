/**
 * Holds a log to its anchor: at the start, whether the log is what the anchor knows of; and while it runs, whether somebody else has moved the anchor on. With a synchronous anchor nothing is
 * released before the anchor has its head, so that of two copies of a directory only one can go on. With an asynchronous one a copy is noticed when the anchor is looked at next, once a second.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../core/errors.ts';
import { LogError } from './core/log-error.ts';
import type { SignedHead, SignHead } from './sequence/head-signer.ts';
import type { Head } from './store/commit-store.ts';
import type { AnchorPlace, HeadAnchor } from './store/head-anchor.ts';
import { verifyCheckpoint, type CheckpointKey } from './tree/verify-head.ts';

/** Milliseconds between two looks at an asynchronous anchor, and for the last one. */
const INTERVAL_MS = 1_000;
const CLOSING_MS = 5_000;

/** How an anchor is doing. */
export interface AnchorStatus {
  readonly mode: AnchorPlace['mode'];
  readonly name: string;
  /** Entries of the head that it holds, as far as is known; undefined before it was read, or while it holds none. */
  readonly size: number | undefined;
}

/** Size and root of a tree. */
type TreeHead = Pick<Head, 'size' | 'root'>;

/** Whether the log, which is at least as large, has that root at that size. */
export type HasRoot = (head: TreeHead) => Promise<boolean>;

/** What the anchor holds. */
interface Held {
  readonly bytes: Uint8Array | undefined;
  readonly head: TreeHead | undefined;
}

/** The anchor of a log that one process writes. */
export class AnchoredHead {
  readonly #anchor: HeadAnchor;
  readonly #mode: AnchorPlace['mode'];
  readonly #keys: readonly CheckpointKey[];
  #hasRoot: HasRoot = () => Promise.resolve(false);
  /** As far as is known; undefined when it is to be read. */
  #held: Held | undefined;
  #size: number | undefined;
  #failure: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #newest: SignedHead | undefined;
  #isClosed = false;

  constructor(anchor: HeadAnchor, mode: AnchorPlace['mode'], keys: readonly CheckpointKey[]) {
    this.#anchor = anchor;
    this.#mode = mode;
    this.#keys = keys;
  }

  get status(): AnchorStatus {
    return { mode: this.#mode, name: this.#anchor.name, size: this.#size };
  }

  /** Why an asynchronous anchor is older than it should be; undefined while all is well. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /**
   * Compares the log of `head` with the anchor before anything is signed; `hasRoot` is asked then and later. Resolves with what weakens that, a sentence each. Throws {@link LogError}:
   * `LOG_ROLLED_BACK` when the anchor knows of more, or of another history; `LOG_CORRUPT` when it holds something else; `LOG_UNSUITABLE_STORAGE`; `LOG_STORAGE` when a synchronous anchor does not answer.
   */
  async inspect(head: TreeHead, hasRoot: HasRoot): Promise<string[]> {
    this.#hasRoot = hasRoot;
    try {
      await this.#anchor.probe?.();
      const held = (this.#held = await this.#read(head));
      const isNew = held.head === undefined && head.size > 0;
      return isNew
        ? [`the anchor ${this.#anchor.name} holds no head of this log yet: the log is believed as it is`]
        : [];
    } catch (error) {
      const isAway = error instanceof LogError && error.code === 'LOG_STORAGE';
      if (this.#mode === 'synchronous' || !isAway) throw error;
      this.#failure = error.message;
      return [`${error.message}: whether this log was put back or copied is not known`];
    }
  }

  /** Signs heads. With a synchronous anchor it resolves only when that holds the head; rejects then with `LOG_STORAGE` while the anchor cannot be written, and with `LOG_ROLLED_BACK` when somebody else has moved it. */
  before(sign: SignHead): SignHead {
    if (this.#mode === 'asynchronous') return sign;
    return async (head) => {
      const signed = await sign(head);
      await this.#advance(signed);
      return signed;
    };
  }

  /** Has an asynchronous anchor follow, and looks at it from then on; `contradicted` is called when somebody else has moved it, once. */
  update(signed: SignedHead, contradicted: (error: LogError) => void): void {
    this.#newest = signed;
    if (this.#mode === 'synchronous' || this.#isClosed) return;
    this.#timer ??= setTimeout(() => {
      this.#running = this.#follow(contradicted).finally(() => {
        this.#timer = undefined;
        if (this.#newest !== undefined) this.update(this.#newest, contradicted);
      });
    }, INTERVAL_MS).unref();
  }

  async #follow(contradicted: (error: LogError) => void): Promise<void> {
    if (this.#newest === undefined) return;
    try {
      // Looked at each time, also when nothing was logged.
      this.#held = undefined;
      await this.#advance(this.#newest);
      this.#failure = undefined;
    } catch (error) {
      this.#failure = messageOf(error);
      if (!(error instanceof LogError) || error.code === 'LOG_STORAGE') return;
      this.#newest = undefined;
      contradicted(error);
    }
  }

  /** Writes the newest head, and ends. One that does not answer is not waited for long. Never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    const late = new AbortController();
    const last = this.#running.then(() =>
      this.#mode === 'asynchronous' ? this.#follow(() => undefined) : undefined,
    );
    await Promise.race([last, delay(CLOSING_MS, undefined, { signal: late.signal }).catch(() => undefined)]);
    late.abort();
    await this.#anchor.close?.();
  }

  /** Has the anchor hold this head, or one of this log that is as large. */
  async #advance({ head, checkpoint }: SignedHead): Promise<void> {
    for (;;) {
      const held = (this.#held ??= await this.#read(head));
      const { replace } = this.#anchor;
      if (held.head?.size === head.size || replace === undefined) return;
      // Until it has answered, it may hold either.
      this.#held = undefined;
      if (!(await replace(held.bytes, checkpoint))) continue;
      this.#held = { bytes: checkpoint, head };
      this.#size = head.size;
      return;
    }
  }

  /** What it holds, which must be of the past of `head`. */
  async #read(head: TreeHead): Promise<Held> {
    const bytes = await this.#anchor.read();
    if (bytes === undefined) return { bytes, head: undefined };
    const known = this.#verified(bytes);
    this.#size = known.size;
    if (known.size > head.size)
      throw this.#rolledBack(`knows of ${known.size} entries of this log, which has ${head.size} here`);
    if (!(await this.#hasRoot(known)))
      throw this.#rolledBack(`knows of another history of the first ${known.size} entries`);
    return { bytes, head: known };
  }

  #verified(bytes: Uint8Array): TreeHead {
    try {
      return verifyCheckpoint(bytes, this.#keys);
    } catch (cause) {
      throw new LogError(
        'LOG_CORRUPT',
        `the anchor ${this.#anchor.name} holds no checkpoint of this log: ${messageOf(cause)}`,
        {
          hint: 'Find out who wrote there. Move what it holds away only when it is certain that no copy of this log was in use.',
          cause,
        },
      );
    }
  }

  #rolledBack(what: string): LogError {
    return new LogError('LOG_ROLLED_BACK', `the anchor ${this.#anchor.name} ${what}`, {
      hint: 'Nothing is signed here any more. An old copy was put back, or a copy of this directory went on elsewhere: go on with the newest one alone, or start a new log with a new key; docs/keys-and-backups.md, "What to do instead: a new log with a new key".',
    });
  }
}
