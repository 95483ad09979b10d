/** One witness of a log, as the log asks it (c2sp.org/tlog-witness). */
import { equalBytes, toHex, utf8 } from '../../core/bytes.ts';
import { FormatError, messageOf } from '../../core/errors.ts';
import { LogError } from '../core/log-error.ts';
import { sha256 } from '../core/sha256.ts';
import { encodeAddCheckpoint } from '../format/add-checkpoint.ts';
import { parseDecimal } from '../format/checkpoint.ts';
import { verifyConsistency } from '../format/merkle-verify.ts';
import { parseSignatureLines, type NoteSignature } from '../format/signed-note.ts';
import type { PolicyWitness } from '../format/witness-policy.ts';
import { cosignedAt } from '../tree/cosignatures.ts';
import { verifyCheckpoint, type CheckpointKey, type VerifiedCheckpoint } from '../tree/verify-head.ts';

/** A head that is to be cosigned. */
export interface WitnessedHead {
  readonly size: number;
  /** Root hash, 32 bytes. */
  readonly root: Uint8Array;
  /** What is signed: the lines of the checkpoint. */
  readonly text: Uint8Array;
  /** With the signatures of the log. */
  readonly checkpoint: Uint8Array;
  /** The proof that it continues the tree of its first `old` entries. */
  readonly proofFrom: (old: number) => Promise<readonly Uint8Array[]>;
}

/** How a witness does. */
export interface WitnessStatus {
  /** As the policy names it. */
  readonly name: string;
  /** Of the head that it cosigned last, as far as is known. */
  readonly size: number;
  /** When it did, seconds since the epoch, by its own clock; undefined while it has not. */
  readonly cosignedAt: number | undefined;
  /** Why there is no cosignature of the newest head that it was asked for; undefined while all is well. */
  readonly failure: string | undefined;
}

/** How witnesses are asked. */
interface WitnessOptions {
  readonly timeoutMs: number;
  readonly send: typeof fetch;
  /** Of the log: what only it can have signed. */
  readonly origin: string;
  readonly keys: readonly CheckpointKey[];
  /** Whether other processes write the same log: then a witness that knows of more than this one is no sign that it was put back. */
  readonly isShared: boolean;
  /** Ends what is under way. */
  readonly signal: AbortSignal;
}

/** Most bytes of an answer. */
const MOST_BYTES = 64 * 1024;

/** A witness is asked again with the size that it names, and once more, as another writer may have been faster. */
const MOST_TRIES = 3;

/** An answer as it came. */
interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: Uint8Array;
}

const REASONS: ReadonlyMap<number, string> = new Map([
  [400, 'does not understand the request (400)'],
  [403, 'does not know the key of the log (403)'],
  [404, 'does not know the log, or its address is wrong (404)'],
]);

/** Asks one witness. Requests are the caller's to put one after the other. */
export class WitnessClient {
  readonly witness: PolicyWitness;
  readonly #options: WitnessOptions;
  #size = 0;
  #cosignedAt: number | undefined;
  #failure: string | undefined;

  constructor(witness: PolicyWitness, options: WitnessOptions) {
    this.witness = witness;
    this.#options = options;
  }

  get status(): WitnessStatus {
    return {
      name: this.witness.name,
      size: this.#size,
      cosignedAt: this.#cosignedAt,
      failure: this.#failure,
    };
  }

  /** Its line for the head. Rejects with LogError `LOG_ROLLED_BACK` when the witness shows a head that the log signed and does not have: it was put back to an older state, or is
   * continued somewhere else. Rejects with LogError `LOG_STORAGE` for what may pass; so does what a witness says and does not show. */
  async cosign(head: WitnessedHead): Promise<NoteSignature> {
    try {
      const line = await this.#ask(head);
      this.#failure = undefined;
      return line;
    } catch (error) {
      this.#failure = messageOf(error);
      throw error;
    }
  }

  async #ask(head: WitnessedHead): Promise<NoteSignature> {
    for (let left = MOST_TRIES; left > 0; left--) {
      if (this.#size > head.size)
        throw await this.#judge(head, `says that it has cosigned ${this.#size} entries`);
      const old = this.#size;
      const proof = await head.proofFrom(old);
      const { status, type, body } = await this.#request(
        'add-checkpoint',
        encodeAddCheckpoint({ old, proof, checkpoint: head.checkpoint }),
      );
      if (status === 200) return this.#lineIn(body, head);
      if (status === 422)
        throw await this.#judge(
          head,
          `does not take this log for the one whose first ${old} entries it cosigned`,
        );
      if (status !== 409) throw this.#fails(REASONS.get(status) ?? `answers ${status}`);
      const size = type.startsWith('text/x.tlog.size') ? this.#sizeIn(body) : undefined;
      if (size === undefined || size === old) {
        if (old === head.size)
          throw await this.#judge(head, `says that it has cosigned another head with ${old} entries`);
        throw this.#fails('contradicts itself (409)');
      }
      this.#size = size;
    }
    throw this.#fails('names another size each time');
  }

  async #request(path: string, body?: Uint8Array): Promise<Answer> {
    const { timeoutMs, send, signal } = this.#options;
    const url = `${(this.witness.url ?? '').replace(/(?<!\/)\/+$/, '')}/${path}`;
    try {
      const response = await send(url, {
        ...(body === undefined
          ? {}
          : {
              method: 'POST',
              body: Buffer.from(body),
              headers: { 'content-type': 'text/plain; charset=utf-8' },
            }),
        redirect: 'manual',
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      });
      const type = response.headers.get('content-type') ?? '';
      return { status: response.status, type, body: await this.#bodyOf(response) };
    } catch (error) {
      if (error instanceof LogError) throw error;
      const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
      const isLate = error instanceof Error && error.name === 'TimeoutError';
      throw this.#fails(
        isLate ? `does not answer within ${timeoutMs} ms` : `cannot be asked: ${messageOf(cause)}`,
      );
    }
  }

  async #bodyOf(response: Response): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of response.body ?? []) {
      length += chunk.length;
      if (length > MOST_BYTES) throw this.#fails('answers without end');
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }

  #sizeIn(body: Uint8Array): number | undefined {
    try {
      return parseDecimal(Buffer.from(body).toString('latin1').replace(/\n$/, ''));
    } catch (error) {
      if (error instanceof FormatError) return undefined;
      throw error;
    }
  }

  /** Lines of other keys are passed over; one of its own has to hold. */
  #lineIn(body: Uint8Array, { text, size }: WitnessedHead): NoteSignature {
    const { vkey } = this.witness;
    try {
      for (const line of parseSignatureLines(body)) {
        if (line.name !== vkey.name || !equalBytes(line.keyId, vkey.keyId)) continue;
        const time = cosignedAt(vkey, text, line.signature);
        if (time === undefined) throw this.#fails('answers with a cosignature that does not hold');
        this.#size = size;
        this.#cosignedAt = time;
        return line;
      }
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      throw this.#fails(`answers with what is no cosignature: ${error.message}`);
    }
    throw this.#fails('answers without a cosignature of the key that the policy names');
  }

  /** What becomes of an answer that says that the witness knows another history. Its word is no proof, and would let any one of them stop the log: what counts is a head that it has, and that the log
   * signed. */
  async #judge(head: WitnessedHead, what: string): Promise<LogError> {
    // It is asked from the beginning the next time: what it said of its size may be wrong.
    this.#size = 0;
    const kept = await this.#keptHead();
    if (kept === undefined) return this.#fails(`${what}, and shows no such head that this log signed`);
    if (kept.size > head.size) {
      // Another writer's, which this process has not heard of yet.
      if (this.#options.isShared) return this.#fails(`has cosigned ${kept.size} entries already`);
      return this.#contradicts(`has cosigned a head with ${kept.size} entries, and the log has ${head.size}`);
    }
    if (await isContinued(kept, head))
      return this.#fails(`${what}, and the head that it shows is one of this log`);
    return this.#contradicts(`has cosigned another head with ${kept.size} entries`);
  }

  /** The newest head that it has of the log, and that the log signed; undefined where it shows none. */
  async #keptHead(): Promise<VerifiedCheckpoint | undefined> {
    const { origin, keys } = this.#options;
    try {
      const { status, body } = await this.#request(`${toHex(sha256(utf8(origin)))}/checkpoint`);
      return status === 200 ? verifyCheckpoint(body, keys) : undefined;
    } catch (error) {
      if (error instanceof LogError || error instanceof FormatError) return undefined;
      throw error;
    }
  }

  #fails(what: string): LogError {
    return new LogError('LOG_STORAGE', `the witness ${this.witness.name} ${what}`);
  }

  #contradicts(what: string): LogError {
    return new LogError('LOG_ROLLED_BACK', `the witness ${this.witness.name} ${what}`, {
      hint: 'The log was put back to an older state, or runs in two places. Nothing more is signed. Follow docs/witness.md, "When a witness knows more".',
    });
  }
}

/** Whether a smaller head, or one of that size, is of the same tree. */
async function isContinued(
  kept: Pick<VerifiedCheckpoint, 'size' | 'root'>,
  { size, root, proofFrom }: WitnessedHead,
): Promise<boolean> {
  if (kept.size === size) return equalBytes(kept.root, root);
  if (kept.size === 0) return true;
  return verifyConsistency(sha256, kept, { size, root }, await proofFrom(kept.size));
}
