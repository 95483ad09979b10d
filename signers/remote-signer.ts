/**
 * What is the same for every key outside the process: how many signatures are asked for at once and for how long, which failures are
 * tried again, and that no signature leaves that does not verify. A backend tries once, and nothing else.
 */
import { hash, verify, type KeyObject } from 'node:crypto';
import { utf8 } from '../core/bytes.ts';
import { derOfP1363 } from '../core/ecdsa-signature.ts';
import { SIGNATURE_ALGORITHMS } from '../core/signature-algorithm.ts';
import type { BackendKey } from './backend.ts';
import { Breaker } from './breaker.ts';
import { CallSlots } from './call-slots.ts';
import { KeyFileError } from './key-error.ts';
import { algorithmOf, readPublicKey } from './key-types.ts';
import { Deadline } from './deadline.ts';
import { SignerTally } from './signer-tally.ts';
import { asSignerError, isPassing, named, SignerError } from './signer-error.ts';
import type { RemoteKey, Signer, SignerCounts } from './signer.ts';

/** How much is asked of a remote key. */
export interface RemoteLimits {
  /** Milliseconds that a caller waits for a signature, all tries together, and that one try may take. */
  readonly timeoutMs: number;
  /** Calls to the backend at once. */
  readonly maxInFlight: number;
}

/** What an operator gets who sets nothing. */
export const REMOTE_LIMITS: RemoteLimits = { timeoutMs: 2_000, maxInFlight: 16 };

/** How a {@link remoteSigner} is made. */
export interface RemoteSignerOptions extends Partial<RemoteLimits> {
  /** The reference of the key, without secrets. */
  readonly where: string;
  /** Called when the key gets into trouble, with what it is, and when it signs again. */
  readonly onChange?: ((trouble: SignerError | undefined) => void) | undefined;
  /** From 0 to 1. */
  readonly random?: (() => number) | undefined;
  /** Milliseconds until a key in trouble is tried again for the first time. */
  readonly firstProbeMs?: number | undefined;
}

/** Milliseconds before the first repetition; each further one waits twice as long. */
const FIRST_RETRY_MS = 25;

/** Inputs of one call with several. */
const MOST_AT_ONCE = 100;

/** Longer than any signature. */
const MAX_SIGNATURE = 1_024;

/** No DER begins with this, and no checkpoint: it can never be taken for anything that was signed. */
const PROBE = utf8('mayfly: does this key sign?');

/** The signer of an open key, which is closed with it. Throws SignerError when what the backend says of the key does not fit together, or Mayfly does not sign with such a key. */
export function remoteSigner(key: BackendKey, options: RemoteSignerOptions): Signer {
  const remote = new RemoteSigner(key, options);
  return {
    publicKey: key.publicKey,
    algorithm: key.algorithm,
    sign: (data) => remote.sign(data),
    signAll: key.signMany === undefined ? undefined : (all) => remote.signAll(all),
    remote,
  };
}

class RemoteSigner implements RemoteKey {
  readonly where: string;
  readonly version: string | undefined;
  readonly #key: BackendKey;
  readonly #publicKey: KeyObject;
  readonly #hash: string | undefined;
  readonly #limits: RemoteLimits;
  readonly #random: () => number;
  readonly #breaker: Breaker;
  readonly #tally = new SignerTally();
  readonly #slots: CallSlots;
  #failure: SignerError | undefined;
  #renewing: Promise<void> | undefined;
  #renewals = 0;
  #closing: Promise<void> | undefined;

  constructor(key: BackendKey, options: RemoteSignerOptions) {
    const { where, random = Math.random, firstProbeMs, timeoutMs, maxInFlight, onChange } = options;
    this.where = where;
    this.version = key.version;
    this.#key = key;
    this.#publicKey = checkedPublicKey(key);
    this.#hash = SIGNATURE_ALGORITHMS[key.algorithm].hash;
    this.#limits = {
      timeoutMs: timeoutMs ?? REMOTE_LIMITS.timeoutMs,
      maxInFlight: maxInFlight ?? REMOTE_LIMITS.maxInFlight,
    };
    this.#random = random;
    this.#slots = new CallSlots(this.#limits.maxInFlight);
    this.#breaker = new Breaker({ probe: () => this.#probe(), onChange, firstProbeMs, random });
  }

  refusal(): SignerError | undefined {
    return this.#breaker.refusal;
  }

  failure(): SignerError | undefined {
    return this.#failure;
  }

  counts(): SignerCounts {
    return this.#tally.counts();
  }

  close(): Promise<void> {
    this.#breaker.close();
    this.#closing ??= this.#key.close();
    return this.#closing;
  }

  async sign(data: Uint8Array): Promise<Uint8Array> {
    const [signature] = await this.#ask([data]);
    return signature ?? new Uint8Array();
  }

  async signAll(all: readonly Uint8Array[]): Promise<readonly PromiseSettledResult<Uint8Array>[]> {
    const { mostAtOnce = MOST_AT_ONCE } = this.#key;
    const calls: Promise<readonly PromiseSettledResult<Uint8Array>[]>[] = [];
    for (let from = 0; from < all.length; from += mostAtOnce)
      calls.push(this.#askTogether(all.slice(from, from + mostAtOnce)));
    return (await Promise.all(calls)).flat();
  }

  async #askTogether(data: readonly Uint8Array[]): Promise<readonly PromiseSettledResult<Uint8Array>[]> {
    try {
      return (await this.#ask(data)).map((value) => ({ status: 'fulfilled', value }));
    } catch (reason) {
      return data.map(() => ({ status: 'rejected', reason }));
    }
  }

  async #ask(data: readonly Uint8Array[]): Promise<readonly Uint8Array[]> {
    const refusal = this.#breaker.refusal;
    if (refusal !== undefined) throw refusal;
    const deadline = new Deadline(this.#limits.timeoutMs, this.#busy());
    try {
      return await Promise.race([this.#repeat(data, deadline), deadline.end]);
    } finally {
      deadline.clear();
    }
  }

  /** Tries until there is a signature, nothing more helps, or no waiter is left. */
  async #repeat(data: readonly Uint8Array[], deadline: Deadline): Promise<readonly Uint8Array[]> {
    let mayRenew = this.#key.renew !== undefined;
    for (let wait = FIRST_RETRY_MS; ; wait *= 2) {
      const renewals = this.#renewals;
      try {
        return await this.#inTurn(data, deadline, mayRenew);
      } catch (error) {
        const failure = asSignerError(error);
        const renews = mayRenew && failure.code === 'SIGNER_DENIED';
        const isOver = deadline.signal.aborted || this.#breaker.refusal !== undefined;
        if (isOver || !(renews || isPassing(failure))) throw failure;
        deadline.reason = failure;
        if (renews) {
          mayRenew = false;
          if (renewals === this.#renewals) await this.#renew();
        } else await deadline.pause(Math.max(failure.retryAfterMs ?? 0, wait * (0.5 + this.#random())));
      }
    }
  }

  /** One try, once there is room for it. */
  async #inTurn(
    data: readonly Uint8Array[],
    deadline: Deadline,
    mayRenew: boolean,
  ): Promise<readonly Uint8Array[]> {
    if (!(await this.#slots.enter(deadline.signal))) throw deadline.reason;
    try {
      if (!(await this.#hasRoom(deadline.signal))) throw deadline.reason;
      deadline.reason = late(this.where);
      return await this.#try(data, mayRenew);
    } finally {
      this.#slots.leave();
    }
  }

  async #hasRoom(signal: AbortSignal): Promise<boolean> {
    return this.#key.room === undefined || this.#key.room(signal);
  }

  /** One call to the backend, and a look at what came of it. A denial that fresh credentials may undo is no sign of trouble yet. */
  async #try(data: readonly Uint8Array[], mayRenew: boolean): Promise<readonly Uint8Array[]> {
    const ended = this.#tally.begin();
    const deadline = new Deadline(this.#limits.timeoutMs, late(this.where));
    try {
      const signatures = await Promise.race([this.#call(data, deadline.signal), deadline.end]);
      const checked = this.#checked(data, signatures);
      ended('signed');
      this.#failure = undefined;
      this.#breaker.succeeded();
      return checked;
    } catch (error) {
      const failure = named(this.where, asSignerError(error));
      ended(failure.code);
      this.#failure = failure;
      if (!mayRenew || failure.code !== 'SIGNER_DENIED') this.#breaker.failed(failure);
      throw failure;
    } finally {
      deadline.clear();
    }
  }

  async #call(data: readonly Uint8Array[], signal: AbortSignal): Promise<readonly Uint8Array[]> {
    const algorithm = this.#hash;
    const inputs =
      algorithm === undefined ? data : data.map((one) => new Uint8Array(hash(algorithm, one, 'buffer')));
    const [first] = inputs;
    if (this.#key.signMany === undefined || (inputs.length === 1 && first !== undefined))
      return [await this.#key.sign(first ?? new Uint8Array(), signal)];
    return this.#key.signMany(inputs, signal);
  }

  /** The signatures in the form that certificates have. What a key service answers is believed in nothing: it may hold another key, or
   * another version of it, than it did at the start. */
  #checked(data: readonly Uint8Array[], signatures: readonly Uint8Array[]): readonly Uint8Array[] {
    if (signatures.length !== data.length) throw this.#wrong();
    const isRaw = this.#key.ecdsaForm === 'p1363' && this.#key.algorithm.startsWith('ecdsa');
    return signatures.map((given, i) => {
      const signature = isRaw && given.length <= MAX_SIGNATURE ? derOfP1363(given) : given;
      if (signature === undefined || signature.length > MAX_SIGNATURE) throw this.#wrong();
      if (!verify(this.#hash ?? null, data[i] ?? new Uint8Array(), this.#publicKey, signature))
        throw this.#wrong();
      return signature;
    });
  }

  /** One for all who were denied at the same time. Where it fails, the next try says why. */
  #renew(): Promise<void> {
    this.#renewing ??= this.#renewOnce().finally(() => {
      this.#renewals++;
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  async #renewOnce(): Promise<void> {
    const deadline = new Deadline(this.#limits.timeoutMs, late(this.where));
    try {
      await Promise.race([this.#key.renew?.(deadline.signal), deadline.end]);
    } catch {
      return;
    } finally {
      deadline.clear();
    }
  }

  /** Beside the calls that may be under way: those may be what hangs. */
  async #probe(): Promise<void> {
    const mayRenew = this.#key.renew !== undefined;
    await this.#untilRoom();
    try {
      await this.#try([PROBE], mayRenew);
    } catch (error) {
      if (!mayRenew || asSignerError(error).code !== 'SIGNER_DENIED') throw error;
      await this.#renew();
      await this.#untilRoom();
      await this.#try([PROBE], false);
    }
  }

  async #untilRoom(): Promise<void> {
    const deadline = new Deadline(this.#limits.timeoutMs, this.#busy());
    try {
      if (!(await this.#hasRoom(deadline.signal))) throw deadline.reason;
    } finally {
      deadline.clear();
    }
  }

  #busy(): SignerError {
    return new SignerError(
      'SIGNER_BUSY',
      `${this.where}: more signatures are asked for than the key makes in time`,
      {
        hint: 'Try again in a moment.',
        retryAfterMs: 1_000,
      },
    );
  }

  #wrong(): SignerError {
    return new SignerError(
      'SIGNER_WRONG_KEY',
      `${this.where}: what came is no signature of the key that was opened`,
      {
        hint: 'It was not used. Look whether the key was rotated or replaced there, and name the version of the key that certificates or the log were made with.',
      },
    );
  }
}

const late = (where: string): SignerError =>
  new SignerError('SIGNER_TIMEOUT', `${where}: there was no signature in time`, {
    hint: 'Try again in a moment.',
  });

/** What signatures are held to. */
function checkedPublicKey({ publicKey, algorithm }: BackendKey): KeyObject {
  try {
    const key = readPublicKey(publicKey);
    if (algorithmOf(key) === algorithm) return key;
  } catch (error) {
    if (!(error instanceof KeyFileError)) throw error;
    throw new SignerError('SIGNER_REFUSED', error.message, { hint: error.hint });
  }
  throw new SignerError('SIGNER_WRONG_KEY', 'the public key is of another kind than its signatures');
}
