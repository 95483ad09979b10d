/** The witnesses of one log: who cosigns its heads, and whether they are enough. */
import { FormatError, messageOf } from '../../core/errors.ts';
import { equalBytes, utf8 } from '../../core/bytes.ts';
import { LogError } from '../core/log-error.ts';
import { sha256 } from '../core/sha256.ts';
import { checkpointText, encodeCheckpoint, parseCheckpoint } from '../format/checkpoint.ts';
import { consistencyProof, type HashReader } from '../format/merkle-proof.ts';
import type { NoteSignature } from '../format/signed-note.ts';
import { isQuorum, type WitnessPolicy } from '../format/witness-policy.ts';
import { cosignaturesOf } from '../tree/cosignatures.ts';
import type { CheckpointKey } from '../tree/verify-head.ts';
import type { SignedHead } from './head-signer.ts';
import { WitnessClient, type WitnessedHead, type WitnessStatus } from './witness-client.ts';

/** Which witnesses a log has, and what they are for. */
export interface WitnessSettings {
  readonly policy: WitnessPolicy;
  /** Whether nothing leaves before the quorum has cosigned a head that covers it. */
  readonly isRequired: boolean;
  /** Milliseconds for one answer of a witness. */
  readonly timeoutMs: number;
  /** What requests are sent with. */
  readonly send?: typeof fetch | undefined;
}

/** How the witnesses of a log do. */
export interface WitnessesStatus {
  readonly isRequired: boolean;
  readonly witnesses: readonly WitnessStatus[];
  /** Entries of the newest head that the quorum has cosigned. */
  readonly witnessedSize: number;
  /** Why the newest head that was asked for has no quorum; undefined while all is well. */
  readonly failure: string | undefined;
}

/** Milliseconds between two heads that are sent off the path of issuance. */
const INTERVAL_MS = 1_000;

/** One head on its way, with the cosignatures so far. */
interface Round {
  readonly signed: SignedHead;
  /** By the names of the policy. */
  readonly lines: Map<string, NoteSignature>;
}

/** Asks the witnesses of a log. Of one witness one request is under way at a time. */
export class Witnesses {
  readonly isRequired: boolean;
  readonly #origin: string;
  readonly #policy: WitnessPolicy;
  readonly #clients: readonly WitnessClient[];
  readonly #busy = new Map<WitnessClient, Promise<unknown>>();
  readonly #abort = new AbortController();
  #round: Round | undefined;
  #newest: SignedHead | undefined;
  #failure: string | undefined;
  /** What a witness said that does not pass, also where others were faster. */
  #contradiction: LogError | undefined;
  #offered: { readonly signed: SignedHead; readonly hashes: HashReader } | undefined;
  #offering: Promise<void> | undefined;

  /** `isShared`: whether other processes write the log, too. Witnesses without a URL in the policy are not asked. */
  constructor(
    { origin, keys }: { readonly origin: string; readonly keys: readonly CheckpointKey[] },
    { policy, isRequired, timeoutMs, send = fetch }: WitnessSettings,
    isShared: boolean,
  ) {
    this.isRequired = isRequired;
    this.#origin = origin;
    this.#policy = policy;
    const options = { origin, keys, timeoutMs, send, isShared, signal: this.#abort.signal };
    this.#clients = policy.witnesses
      .filter(({ url }) => url !== undefined)
      .map((witness) => new WitnessClient(witness, options));
  }

  /** The newest head that the quorum has cosigned, with the cosignatures; undefined where there was none yet. */
  get newest(): SignedHead | undefined {
    return this.#newest;
  }

  /** The same head, with its cosignatures where the quorum has cosigned it. */
  served(signed: SignedHead): SignedHead {
    return this.#newest?.head.size === signed.head.size ? this.#newest : signed;
  }

  status(): WitnessesStatus {
    return {
      isRequired: this.isRequired,
      witnesses: this.#clients.map(({ status }) => status),
      witnessedSize: this.#newest?.head.size ?? 0,
      failure: this.#failure,
    };
  }

  /** The head with the cosignatures of a quorum, as soon as there is one; later ones are added to {@link newest}. `hashes` reads its tree. Rejects with LogError
   * `LOG_ROLLED_BACK` when a witness has cosigned what the log does not have, and `LOG_STORAGE` when all have answered and they are not enough: to be tried again. */
  async cosigned(signed: SignedHead, hashes: HashReader): Promise<SignedHead> {
    if (this.#contradiction !== undefined) throw this.#contradiction;
    const round = this.#roundOf(signed);
    const { size, root } = signed.head;
    const head: WitnessedHead = {
      size,
      root,
      text: utf8(checkpointText({ origin: this.#origin, size, root })),
      checkpoint: signed.checkpoint,
      proofFrom: (old) => consistencyProof(sha256, old, size, hashes),
    };
    const asked = this.#clients.filter(({ witness }) => !round.lines.has(witness.name));
    const failures: string[] = [];
    const asking = asked.map((client) =>
      this.#ask(client, head, round).catch((error: unknown) => {
        passing(error);
        failures.push(messageOf(error));
      }),
    );
    const all = Promise.all(asking).then(() => {
      if (this.#note(round)) return;
      this.#failure = `the quorum ${this.#policy.quorum} has not cosigned the head with ${size} entries: ${failures.join('; ') || 'no witness has a URL'}`;
      throw new LogError('LOG_STORAGE', this.#failure);
    });
    const enough = asking.map((one) =>
      one.then(() => {
        if (!this.#note(round)) throw new TypeError('not enough yet');
      }),
    );
    const first = Promise.any(enough).catch(() => all);
    await Promise.race([first, all]);
    return this.served(signed);
  }

  /** Asks all witnesses for the head, and waits for each: nothing may be signed after one that has cosigned what the log does not have. Rejects with LogError `LOG_ROLLED_BACK`; what else fails is in {@link status}. */
  async compare(signed: SignedHead, hashes: HashReader): Promise<void> {
    await this.cosigned(signed, hashes).catch(passing);
    await Promise.all([...this.#busy.values()].map((one) => one.catch(passing)));
  }

  /** Counts the cosignatures of the head that `checkpoint`, which was kept, has; one of another tree, or that cannot be read, has none. */
  recall(signed: SignedHead, checkpoint: Uint8Array): void {
    const { size, root } = signed.head;
    const text = utf8(checkpointText({ origin: this.#origin, size, root }));
    try {
      const kept = parseCheckpoint(checkpoint);
      if (!equalBytes(kept.text, text)) return;
      const round = this.#roundOf(signed);
      for (const { name, line } of cosignaturesOf(kept, this.#policy.witnesses))
        if (!round.lines.has(name)) round.lines.set(name, line);
      this.#note(round);
    } catch (error) {
      if (!(error instanceof LogError) && !(error instanceof FormatError)) throw error;
    }
  }

  /** The head of a log that is opened, before anything of it is served: with the cosignatures that it has, which are a quorum where one is required. Rejects with LogError `LOG_STORAGE` while it is not, to be tried again. */
  async opened(signed: SignedHead, hashes: HashReader): Promise<SignedHead> {
    // There is nothing in it that could be released.
    const isWitnessed = this.#newest?.head.size === signed.head.size || signed.head.size === 0;
    return this.isRequired && !isWitnessed ? this.cosigned(signed, hashes) : this.served(signed);
  }

  /** Has a head cosigned off the path of issuance: the newest one of those that are offered, one a second at most. Resolves when it is, or a newer one took its place. Rejects with LogError `LOG_ROLLED_BACK` as {@link cosigned}. */
  offer(signed: SignedHead, hashes: HashReader): Promise<void> {
    this.#offered = { signed, hashes };
    this.#offering ??= this.#sendOffered().finally(() => {
      this.#offering = undefined;
    });
    return this.#offering;
  }

  async #sendOffered(): Promise<void> {
    while (this.#offered !== undefined && !this.#abort.signal.aborted) {
      const { signed, hashes } = this.#offered;
      this.#offered = undefined;
      const end = performance.now() + INTERVAL_MS;
      await this.compare(signed, hashes);
      // A head that has no quorum is tried again where no newer one came.
      if (this.#newest?.head.size !== signed.head.size) this.#offered ??= { signed, hashes };
      await this.#pause(end - performance.now());
    }
  }

  #pause(ms: number): Promise<void> {
    const { signal } = this.#abort;
    return new Promise((resolve) => {
      if (signal.aborted || ms <= 0) {
        resolve();
        return;
      }
      const timer = setTimeout(resolve, ms).unref();
      signal.addEventListener(
        'abort',
        () => {
          clearTimeout(timer);
          resolve();
        },
        { once: true },
      );
    });
  }

  /** Asks nobody any more. */
  async close(): Promise<void> {
    this.#abort.abort();
    await this.#offering?.catch(() => undefined);
    await Promise.allSettled(this.#busy.values());
  }

  /** What was collected for a head stays, also where the log has to sign it again. */
  #roundOf(signed: SignedHead): Round {
    const { size } = signed.head;
    if (this.#round?.signed.head.size !== size) this.#round = { signed, lines: new Map() };
    return this.#round;
  }

  /** After what is under way with that witness. */
  async #ask(client: WitnessClient, head: WitnessedHead, round: Round): Promise<void> {
    const before = this.#busy.get(client);
    const asking = (async () => {
      await before?.catch(() => undefined);
      // Its turn came when the head was an old one.
      if (round !== this.#round) return;
      try {
        round.lines.set(client.witness.name, await client.cosign(head));
      } catch (error) {
        if (isRolledBack(error)) this.#contradiction ??= error;
        throw error;
      }
    })();
    this.#busy.set(client, asking);
    try {
      await asking;
    } finally {
      if (this.#busy.get(client) === asking) this.#busy.delete(client);
    }
  }

  /** Whether the cosignatures of the round are enough; then it is the newest head that is witnessed. */
  #note({ signed, lines }: Round): boolean {
    if (!isQuorum(this.#policy, new Set(lines.keys()))) return false;
    const { size, root } = signed.head;
    if ((this.#newest?.head.size ?? -1) > size) return true;
    // In the order of the policy, whichever answered first.
    const cosignatures = this.#policy.witnesses.flatMap(({ name }) => lines.get(name) ?? []);
    const signatures = [...signed.signatures, ...cosignatures];
    const checkpoint = encodeCheckpoint({ origin: this.#origin, size, root }, signatures);
    this.#newest = { head: signed.head, signatures, checkpoint };
    this.#failure = undefined;
    return true;
  }
}

const isRolledBack = (error: unknown): error is LogError =>
  error instanceof LogError && error.code === 'LOG_ROLLED_BACK';

/** Throws what does not pass. */
function passing(error: unknown): void {
  if (isRolledBack(error)) throw error;
}
