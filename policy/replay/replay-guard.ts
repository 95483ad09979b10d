import type { Clock } from '../../core/clock.ts';
import { GroupCommit } from '../../storage/group-commit.ts';
import { startWorker, type WorkerChannel } from '../../storage/worker-channel.ts';
import { PolicyError } from '../core/policy-error.ts';
import type { TokenUse } from './replay-database.ts';
import { ReplayFault } from './replay-fault.ts';
import type { ReplayReply, ReplayRequest } from './replay-guard-worker.ts';
import { RecentTokens } from './recent-tokens.ts';

/**
 * Lets each token through once. What was used is remembered on disk until the token has expired, so that a restart, however
 * sudden, opens no gap. A token that cannot be remembered is not let through.
 */
export interface ReplayGuard {
  /** Marks the token as used; resolves to whether this is its first use. True only when that is durable; of uses of one key
   * at the same time exactly one is the first. `key` is 32 bytes of `replayKey`; `expiresAtMs` says until when the token would be
   * accepted, leeway included. Rejects with PolicyError `REPLAY_GUARD_UNAVAILABLE`, whose cause is a {@link ReplayFault}; the
   * token may then count as used. */
  markUsed(key: Uint8Array, expiresAtMs: number): Promise<boolean>;
  /** Forgets a use that was marked, in the background: the request that it was for got no certificate, through no fault of its client. What
   * ends before that is written leaves it used. Absent where uses cannot be forgotten. */
  release?(key: Uint8Array): void;
  /** Whether the token is known to be used already, or to be marked by another request at this moment, without asking
   * the file. False means unknown: only {@link markUsed} decides. */
  wasUsed(key: Uint8Array): boolean;
  /** What went wrong last, until something goes well again; for readiness and the log. */
  readonly fault: ReplayFault | undefined;
  /** Tokens that are remembered. */
  readonly held: number;
  /** Waits for uses that are being written. Idempotent. */
  close(): Promise<void>;
}

/** How the memory of used tokens is: for readiness and metrics. */
export type ReplayGuardStatus = Pick<ReplayGuard, 'fault' | 'held'>;

interface WaitingUse extends TokenUse {
  readonly resolve: (isFirst: boolean) => void;
  readonly reject: (error: PolicyError) => void;
}

const KEY_LENGTH = 32;

/** Uses of one transaction. */
const MAX_BATCH = 1000;

/** Milliseconds between two starts of the thread: one that dies of what it is asked must not be all that happens. */
export const RESTART_INTERVAL = 5000;

/** Called when the guard's thread ended although the guard was not closed. */
type OnThreadEnd = (fault: ReplayFault) => void;

/** Opens the file at `path`, or makes it. Rejects with {@link ReplayFault} when it cannot be used. */
export async function openReplayGuard(
  path: string,
  clock: Clock,
  onThreadEnd?: OnThreadEnd,
): Promise<ReplayGuard> {
  const guard = new DurableReplayGuard(path, clock, onThreadEnd);
  await guard.open();
  return guard;
}

class DurableReplayGuard implements ReplayGuard {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #onThreadEnd: OnThreadEnd | undefined;
  #channel: WorkerChannel<ReplayRequest, ReplayReply>;
  #startedAt: number;
  #isEnding = false;
  readonly #waiting: WaitingUse[] = [];
  readonly #released: Uint8Array[] = [];
  readonly #commits = new GroupCommit({
    isDue: () => this.#waiting.length > 0 || this.#released.length > 0,
    commit: () => this.#commit(this.#waiting.splice(0, MAX_BATCH), this.#released.splice(0, MAX_BATCH)),
    gathers: false,
  });
  #closing: Promise<void> | undefined;
  #fault: ReplayFault | undefined;
  #held = 0;
  readonly #recent = new RecentTokens();

  constructor(path: string, clock: Clock, onThreadEnd: OnThreadEnd | undefined) {
    this.#path = path;
    this.#clock = clock;
    this.#onThreadEnd = onThreadEnd;
    this.#startedAt = clock();
    this.#channel = this.#start();
  }

  get fault(): ReplayFault | undefined {
    return this.#fault;
  }

  get held(): number {
    return this.#held;
  }

  async open(): Promise<void> {
    try {
      await this.#ask({ kind: 'open' });
    } catch (error) {
      this.#isEnding = true;
      await this.#channel.terminate();
      throw error;
    }
  }

  markUsed(key: Uint8Array, expires: number): Promise<boolean> {
    if (this.#closing !== undefined) return Promise.reject(unavailable(closed()));
    // One that the table refuses would fail the others of its transaction as well.
    const end = Math.min(Math.ceil(expires), Number.MAX_SAFE_INTEGER);
    if (key.length !== KEY_LENGTH || !Number.isSafeInteger(end)) {
      return Promise.reject(new TypeError('a key has 32 bytes, and an end that is a number'));
    }
    const answer = new Promise<boolean>((resolve, reject) => {
      this.#waiting.push({ key, expires: end, resolve, reject });
      this.#commits.start();
    });
    void this.#recent.watch(key, answer);
    return answer;
  }

  release(key: Uint8Array): void {
    if (this.#closing !== undefined) return;
    this.#recent.forget(key);
    this.#released.push(key);
    this.#commits.start();
  }

  wasUsed(key: Uint8Array): boolean {
    // While the file cannot be used, every token is refused for that.
    return this.#fault === undefined && this.#recent.has(key);
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      await this.#commits.running;
      // A thread that cannot answer any more is ended all the same.
      await this.#ask({ kind: 'close' }).catch(() => undefined);
      this.#isEnding = true;
      await this.#channel.terminate();
    })();
    return this.#closing;
  }

  async #commit(batch: readonly WaitingUse[], released: readonly Uint8Array[]): Promise<true> {
    try {
      await this.#restart();
      const uses = batch.map(({ key, expires }) => ({ key, expires }));
      const isFirst = await this.#ask({ kind: 'markUsed', uses, released, now: this.#clock() });
      for (const [i, { resolve }] of batch.entries()) resolve(isFirst[i] === true);
    } catch (error) {
      for (const { reject } of batch) reject(unavailable(error));
    }
    return true;
  }

  #start(): WorkerChannel<ReplayRequest, ReplayReply> {
    return startWorker<ReplayRequest, ReplayReply>({
      beside: import.meta.url,
      name: 'replay-guard-worker',
      workerData: this.#path,
      errors: ReplayFault,
      gone: (reason) => {
        const fault = new ReplayFault('REPLAY_GUARD_CLOSED', reason, {
          hint: 'It is started again with the next token that needs it. If it ends again and again, restart the service.',
        });
        if (this.#isEnding) return fault;
        this.#fault = fault;
        this.#onThreadEnd?.(fault);
        return fault;
      },
    });
  }

  /** Replaces a thread that ended, unless it was started a moment ago; then its end goes on to be the answer. What it had
   * reported as used is durable, and its database connection is gone with it. */
  async #restart(): Promise<void> {
    const now = this.#clock();
    // A clock that was set back delays nothing.
    if (!this.#channel.isGone || Math.abs(now - this.#startedAt) < RESTART_INTERVAL) return;
    this.#startedAt = now;
    await this.#channel.terminate();
    this.#channel = this.#start();
  }

  async #ask(request: ReplayRequest): Promise<readonly boolean[]> {
    try {
      const reply = await this.#channel.ask(request);
      this.#fault = undefined;
      this.#held = reply.held;
      return reply.isFirst;
    } catch (error) {
      if (error instanceof ReplayFault) this.#fault = error;
      throw error;
    }
  }
}

const closed = (): ReplayFault => new ReplayFault('REPLAY_GUARD_CLOSED', 'the replay guard was closed');

/** What a client gets while tokens cannot be marked. */
export const unavailable = (cause: unknown): PolicyError =>
  new PolicyError(
    'REPLAY_GUARD_UNAVAILABLE',
    'whether the token was used before cannot be checked just now',
    {
      hint: 'Try again with a new token. If it lasts, this is for the operator of the service: its log says what is wrong.',
      cause,
    },
  );
