/**
 * What a witness remembers of one log, and the one decision that it makes (c2sp.org/tlog-witness): a head is cosigned when it is signed by the log and continues the
 * head that was cosigned last. The new head is durable before the cosignature leaves, and requests for one log come one after the other: so two
 * heads of one size that differ are never cosigned, whatever moment the process is killed at.
 */
import { join } from 'node:path';
import { equalBytes, toHex, utf8 } from '../core/bytes.ts';
import { FormatError, systemCode } from '../core/errors.ts';
import type { Clock } from '../core/clock.ts';
import type { Signer } from '../signers/signer.ts';
import { writeDurably } from '../storage/durable-file.ts';
import { FileFault } from '../storage/file-fault.ts';
import { readWhole } from '../storage/read-whole.ts';
import { LogError } from '../tlog/core/log-error.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import { parseAddCheckpoint, type AddCheckpoint } from '../tlog/format/add-checkpoint.ts';
import { parseCheckpoint, type Checkpoint } from '../tlog/format/checkpoint.ts';
import { cosignedText, encodeCosignature } from '../tlog/format/cosignature.ts';
import { emptyRoot } from '../tlog/format/merkle.ts';
import { verifyConsistency } from '../tlog/format/merkle-verify.ts';
import { encodeNote, signatureLine, type NoteSignature } from '../tlog/format/signed-note.ts';
import type { Vkey } from '../tlog/format/vkey.ts';
import { ed25519Key, verifyCheckpoint, type CheckpointKey } from '../tlog/tree/verify-head.ts';

/** The key of a witness. */
export interface WitnessKey {
  /** With the name of the witness; of type cosignature. */
  readonly vkey: Vkey;
  readonly signer: Signer;
}

/** What a request is answered with. */
export interface WitnessAnswer {
  readonly status: 200 | 400 | 403 | 404 | 409 | 422 | 500 | 503;
  readonly body: string;
  /** Whether the body is the size of the head that was cosigned last. */
  readonly isSize?: true;
}

/** A checkpoint that is kept: it is larger than none that a log signs. */
const MOST_BYTES = 64 * 1024;

/** Requests for one log that wait for the one before. */
const MOST_WAITING = 64;

/** A tree of a log. */
interface KnownHead {
  readonly size: number;
  readonly root: Uint8Array;
}

const refusal = (status: WitnessAnswer['status'], body: string): WitnessAnswer => ({
  status,
  body: `${body}\n`,
});

const sizeAnswer = (size: number): WitnessAnswer => ({ status: 409, body: `${size}\n`, isSize: true });

/** One log, by its origin. */
export class WitnessedLog {
  readonly origin: string;
  readonly #keys: readonly CheckpointKey[];
  readonly #directory: string;
  readonly #own: WitnessKey;
  readonly #clock: Clock;
  #turn: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** `vkeys`: keys of the log, of Ed25519. What is remembered lies in `directory`, in a file that is called after the log. */
  constructor(origin: string, vkeys: readonly Vkey[], directory: string, own: WitnessKey, clock: Clock) {
    this.origin = origin;
    this.#keys = vkeys.map(ed25519Key);
    this.#directory = directory;
    this.#own = own;
    this.#clock = clock;
  }

  /** Name of the file in which the newest cosigned checkpoint lies. */
  get file(): string {
    return `${toHex(sha256(utf8(this.origin)))}.checkpoint`;
  }

  /** The newest cosigned checkpoint; undefined where none was. Rejects with a FileFault. */
  async newest(): Promise<Uint8Array | undefined> {
    const path = join(this.#directory, this.file);
    try {
      return await readWhole(path, { size: MOST_BYTES });
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw new FileFault(path, 'read', error);
    }
  }

  /** Decides on a request whose checkpoint is of this log. Rejects with what the disk or the key fails with: then nothing was cosigned. */
  async add(request: AddCheckpoint, checkpoint: Checkpoint): Promise<WitnessAnswer> {
    const signed = this.#signaturesOf(request.checkpoint);
    if (signed === undefined) return refusal(403, 'no signature of a known key of this log holds');
    if (request.old > checkpoint.size) return refusal(400, 'the old size is larger than the checkpoint');
    if (this.#waiting >= MOST_WAITING) return refusal(503, 'too many requests for this log');
    this.#waiting++;
    const turn = this.#turn.then(() => this.#decide(request, checkpoint, signed));
    this.#turn = turn.catch(() => undefined);
    return turn.finally(() => this.#waiting--);
  }

  /** The lines of the log's own keys; undefined where none is there, or one does not hold. */
  #signaturesOf(bytes: Uint8Array): readonly NoteSignature[] | undefined {
    try {
      const { signedBy } = verifyCheckpoint(bytes, this.#keys);
      return parseCheckpoint(bytes).signatures.filter((line) =>
        signedBy.some(({ name, keyId }) => line.name === name && equalBytes(line.keyId, keyId)),
      );
    } catch (error) {
      if (error instanceof LogError || error instanceof FormatError) return undefined;
      throw error;
    }
  }

  async #decide(
    { old, proof }: AddCheckpoint,
    { size, root, text }: Checkpoint,
    signed: readonly NoteSignature[],
  ): Promise<WitnessAnswer> {
    const known = await this.#known();
    if (old !== known.size) return sizeAnswer(known.size);
    if (size === 0 && !equalBytes(root, emptyRoot(sha256)))
      return refusal(422, 'this is not the root of a tree without entries');
    // With equal sizes a proof has nothing to show.
    if (size === known.size && !equalBytes(root, known.root))
      return refusal(409, 'another head of this size was cosigned');
    if (!verifyConsistency(sha256, known, { size, root }, proof))
      return refusal(422, 'the consistency proof does not hold');
    const time = Math.floor(this.#clock() / 1000);
    const { vkey, signer } = this.#own;
    const signature = await signer.sign(cosignedText(text, time));
    const line = { name: vkey.name, keyId: vkey.keyId, signature: encodeCosignature({ time, signature }) };
    const note = encodeNote({ text: new TextDecoder().decode(text), signatures: [...signed, line] });
    // A crash before this has answered nobody. After it, this head and what continues it are all that is ever cosigned.
    await writeDurably(join(this.#directory, this.file), note, 0o644);
    return { status: 200, body: signatureLine(line) };
  }

  /** A file that is damaged must not be taken for a log that is new: then nothing is cosigned until somebody puts it right. */
  async #known(): Promise<KnownHead> {
    const bytes = await this.newest();
    if (bytes === undefined) return { size: 0, root: emptyRoot(sha256) };
    try {
      return verifyCheckpoint(bytes, this.#keys);
    } catch (error) {
      throw new LogError('LOG_CORRUPT', `what is remembered of ${this.origin} is damaged`, { cause: error });
    }
  }
}

/** The log that a request is about, and its checkpoint; undefined where no log has that origin. Throws FormatError for what is no request. */
export function parseRequest(
  body: Uint8Array,
  logs: ReadonlyMap<string, WitnessedLog>,
): {
  readonly request: AddCheckpoint;
  readonly checkpoint: Checkpoint;
  readonly log: WitnessedLog | undefined;
} {
  const request = parseAddCheckpoint(body);
  const checkpoint = parseCheckpoint(request.checkpoint);
  return { request, checkpoint, log: logs.get(checkpoint.origin) };
}
