/**
 * A log of somebody else, in which this CA logs what it issues (RFC 6962 `add-pre-chain`). Nothing of what it answers is believed but by its key: an SCT
 * counts when it is of that log, over this entry, and of this time.
 */
import { createPublicKey, verify, type KeyObject } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { equalBytes } from '../../core/bytes.ts';
import type { Clock } from '../../core/clock.ts';
import { FormatError } from '../../core/errors.ts';
import { parsePublicKey } from '../../core/public-key.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { parseDigitallySigned, TLS_ECDSA, TLS_SHA256 } from '../format/digitally-signed.ts';
import { encodeEntry, type PrecertificateEntry } from '../format/leaf.ts';
import { encodeSct } from '../format/sct.ts';
import { makeOutsideSct, type OutsideSct } from './outside-sct.ts';
import { submit, type SctAnswer, type SubmissionAnswer, type SubmissionTarget } from './submit.ts';

/** Milliseconds for one entry with all tries, below what clients wait for their certificate, and for one try. */
const DEADLINE = 10_000;
const ATTEMPT = 4_000;
/** Milliseconds until the second try; each further one waits twice as long. */
const FIRST_RETRY = 100;
/** By how many milliseconds the clock of the log may be ahead. */
const AHEAD = 5_000;
/** Entries under way at once. */
const UNDER_WAY = 256;
/** Entries that fail in a row, after which further requests are refused before their token is used up, and milliseconds until one is tried again. */
const FAILURES = 3;
const COOL_DOWN = 5_000;

/** How a log is reached and known. */
export interface OutsideLogOptions extends SubmissionTarget {
  /** DER SubjectPublicKeyInfo, ECDSA P-256. */
  readonly publicKey: Uint8Array;
  /** The chain of this CA, DER, issuing CA first, root last. */
  readonly chain: readonly Uint8Array[];
  readonly clock: Clock;
  /** Milliseconds for one entry; {@link DEADLINE} by default. */
  readonly deadlineMs?: number | undefined;
}

/** How it does. */
export interface OutsideLogStatus {
  readonly url: string;
  /** Entries that it promised to log, and those that failed. */
  readonly logged: number;
  readonly failed: number;
  /** Why the last entry failed; undefined after one that did not. */
  readonly failure: string | undefined;
}

/** The client of one log. */
export class OutsideLog {
  readonly identity: { readonly origin: string };
  readonly url: string;
  readonly publicKey: Uint8Array;
  readonly logId: Uint8Array;
  readonly #options: OutsideLogOptions;
  readonly #key: KeyObject;
  #underWay = 0;
  #logged = 0;
  #failed = 0;
  #inARow = 0;
  #failure: string | undefined;
  /** Until when nothing is sent, by the clock of the process, which nobody sets. */
  #closedUntil = 0;

  /** Throws FormatError for a key that is not ECDSA P-256. */
  constructor(options: OutsideLogOptions) {
    const key = parsePublicKey(options.publicKey);
    if (key.type !== 'ec' || key.curve !== 'P-256')
      throw new FormatError('UNSUPPORTED', 'the key of a log must be ECDSA P-256');
    this.#options = options;
    this.#key = createPublicKey({ key: Buffer.from(options.publicKey), format: 'der', type: 'spki' });
    this.url = options.url;
    this.publicKey = options.publicKey;
    this.logId = sha256(options.publicKey);
    this.identity = { origin: options.url.replace(/^https?:\/\//, '').toLowerCase() };
  }

  /** Resolves when the log has promised to log the entry, and the promise was verified. Rejects with LogError: `LOG_BUSY`, or `LOG_UNAVAILABLE` when it did not in time or what
   * it says is wrong; `mayBeLogged` says whether it may have the entry all the same. */
  async append(entry: PrecertificateEntry): Promise<OutsideSct> {
    const refusal = this.refusal();
    if (refusal !== undefined) throw refusal;
    this.#underWay++;
    try {
      const sct = await this.#append(entry);
      this.#logged++;
      this.#inARow = 0;
      this.#failure = undefined;
      return sct;
    } catch (error) {
      this.#fail(error);
      throw error;
    } finally {
      this.#underWay--;
    }
  }

  /** What {@link append} would reject with at once. While the log fails, one entry in a while is tried. */
  refusal(): LogError | undefined {
    if (this.#underWay >= UNDER_WAY)
      return new LogError('LOG_BUSY', 'too many entries wait to be logged', {
        hint: 'Try again in a moment.',
      });
    if (this.#inARow < FAILURES) return undefined;
    const mayTry = performance.now() >= this.#closedUntil && this.#underWay === 0;
    return mayTry ? undefined : unavailable(this.#failure ?? 'it fails');
  }

  status(): OutsideLogStatus {
    const { url } = this.#options;
    return { url, logged: this.#logged, failed: this.#failed, failure: this.#failure };
  }

  async #append(entry: PrecertificateEntry): Promise<OutsideSct> {
    const { clock, deadlineMs = DEADLINE } = this.#options;
    const [startedAt, end] = [clock(), performance.now() + deadlineMs];
    let wasSent = false;
    for (let wait = FIRST_RETRY; ; wait *= 2) {
      const answer = await this.#try(entry, end);
      if (answer.kind === 'sct') return this.#verified(entry, answer.sct, startedAt);
      wasSent ||= answer.wasSent;
      const pause = answer.kind === 'again' ? Math.max(wait, answer.afterMs ?? 0) : Infinity;
      if (performance.now() + pause >= end) {
        const error = unavailable(answer.why);
        throw wasSent ? error.ofStored() : error;
      }
      await delay(pause);
    }
  }

  async #try({ precertificate }: PrecertificateEntry, end: number): Promise<SubmissionAnswer> {
    const { chain } = this.#options;
    const left = Math.max(1, Math.min(ATTEMPT, end - performance.now()));
    const abort = new AbortController();
    const timer = setTimeout(() => {
      abort.abort();
    }, left);
    try {
      return await submit(this.#options, [precertificate, ...chain], abort.signal);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Throws LogError for an SCT that nobody would believe, or should not. */
  #verified(entry: PrecertificateEntry, answer: SctAnswer, startedAt: number): OutsideSct {
    const { id, timestamp, extensions } = answer;
    if (!equalBytes(id, this.logId)) throw lies('its SCT is of another log');
    // A new entry has a new time. Times in certificates are whole seconds.
    const now = this.#options.clock();
    if (timestamp > now + AHEAD)
      throw lies(`the time of its SCT is ${timestamp - now} ms ahead of the clock here`);
    if (timestamp < startedAt - (startedAt % 1000))
      throw lies(`the time of its SCT is ${startedAt - timestamp} ms before the request`);
    try {
      const { hashInput, leaf } = encodeEntry(entry, timestamp, extensions);
      const { hashAlgorithm, signatureAlgorithm, signature } = parseDigitallySigned(answer.signature);
      const isKnown = hashAlgorithm === TLS_SHA256 && signatureAlgorithm === TLS_ECDSA;
      if (!isKnown || !verify('sha256', leaf, this.#key, signature))
        throw lies('the signature of its SCT does not hold');
      const sct = encodeSct({ logId: this.logId, timestamp, extensions, signature });
      return makeOutsideSct({ log: this.identity.origin, leafHash: sha256(hashInput), receipt: { sct } });
    } catch (error) {
      if (error instanceof FormatError) throw lies(`its SCT cannot be read: ${error.message}`);
      throw error;
    }
  }

  #fail(error: unknown): void {
    this.#failed++;
    this.#inARow++;
    this.#failure = error instanceof LogError ? error.message : 'the client of the log has failed';
    this.#closedUntil = performance.now() + COOL_DOWN;
  }
}

/** For the operator; callers read that the log takes nothing at the moment. */
const unavailable = (why: string): LogError =>
  new LogError('LOG_UNAVAILABLE', why.startsWith(LOG) ? why : `${LOG}: ${why}`, {
    hint: 'Try again later. The log of the server and /readyz name the fault.',
  });

const LOG = 'the outside log';

/** It answered, so that it may have the entry. */
const lies = (why: string): LogError => unavailable(why).ofStored();
