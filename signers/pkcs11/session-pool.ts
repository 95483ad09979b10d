import type { Cryptoki, SignatureRoom } from './cryptoki.ts';
import { CKR, CryptokiError } from './return-values.ts';

interface PooledSession {
  readonly session: bigint;
  readonly room: SignatureRoom;
}

/** Sessions for signatures at the same time, opened when they are first needed. A token has few, so none is closed before the process ends. */
export class SessionPool {
  readonly #cryptoki: Cryptoki;
  readonly #slot: bigint;
  readonly #idle: PooledSession[] = [];
  readonly #waiting: ((session: PooledSession) => void)[] = [];
  readonly #dataSize: number;
  #most: number;
  #open = 0;

  /** `dataSize`: bytes of what is signed. */
  constructor(
    cryptoki: Cryptoki,
    slot: bigint,
    { most, dataSize }: { readonly most: number; readonly dataSize: number },
  ) {
    this.#cryptoki = cryptoki;
    this.#slot = slot;
    this.#most = most;
    this.#dataSize = dataSize;
  }

  /** Has `work` use a session that nobody else uses meanwhile. Rejects as `work` does, and with CryptokiError. */
  async using<T>(work: (session: PooledSession) => Promise<T>): Promise<T> {
    const session = this.#idle.pop() ?? this.#opened() ?? (await this.#next());
    try {
      return await work(session);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#idle.push(session);
      else next(session);
    }
  }

  #opened(): PooledSession | undefined {
    if (this.#open >= this.#most) return undefined;
    try {
      const session = this.#cryptoki.openSession(this.#slot);
      this.#open++;
      return { session, room: this.#cryptoki.signatureRoom(this.#dataSize) };
    } catch (error) {
      // The token has fewer than that: those that are open do.
      if (!(error instanceof CryptokiError) || error.value !== CKR.sessionCount || this.#open === 0)
        throw error;
      this.#most = this.#open;
      return undefined;
    }
  }

  #next(): Promise<PooledSession> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
