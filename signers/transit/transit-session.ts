/**
 * A login to the server of transit keys: a token that is renewed before it ends, and got anew when it ended. All keys of one process
 * that log in alike share one, so that a credential that may be used once is.
 */
import { createHash } from 'node:crypto';
import { isPassing, SignerError } from '../signer-error.ts';
import {
  answeredObject,
  isSeconds,
  leaseIn,
  objectIn,
  own,
  type Asked,
  type JsonObject,
  type TokenLease,
} from './transit-answers.ts';
import { TransitConnections } from './transit-http.ts';
import { isLogin, loginName, prepareLogin, RefusedLogin, type LoginTools } from './transit-login.ts';
import type { TransitSettings } from './transit-settings.ts';

/** What is asked with the token. */
export interface Question {
  readonly method: 'GET' | 'POST';
  /** Below `/v1/`. */
  readonly path: string;
  readonly body?: unknown;
  readonly signal: AbortSignal;
}

/** A session that is used, until it is released. */
export interface SessionUse {
  readonly session: TransitSession;
  /** Ends the session with its last user. Idempotent. */
  release(): Promise<void>;
}

type Note = (sentence: string) => void;

interface SharedSession {
  readonly session: Promise<TransitSession>;
  users: number;
}

/** The sessions of this process, by the digests of their settings. */
const shared = new Map<string, SharedSession>();

/** The session of such a login. Rejects with {@link SignerError}. */
export async function useSession(settings: TransitSettings, note: Note): Promise<SessionUse> {
  const id = createHash('sha256').update(JSON.stringify(settings)).digest('hex');
  const entry = shared.get(id) ?? { session: TransitSession.open(settings, note), users: 0 };
  shared.set(id, entry);
  entry.users++;
  const forget = (): void => {
    if (shared.get(id) === entry) shared.delete(id);
  };
  const session = await entry.session.catch((error: unknown) => {
    forget();
    throw error;
  });
  let isUsed = true;
  const release = async (): Promise<void> => {
    if (!isUsed) return;
    isUsed = false;
    if (--entry.users > 0) return;
    forget();
    await session.close();
  };
  return { session, release };
}

/** A token, and what is known of its end. */
interface Token {
  readonly text: string;
  /** Of `performance.now()`: the clock of the day has no say. Undefined where it never comes, or is not known. */
  readonly endsAt: number | undefined;
  readonly isRenewable: boolean;
}

/** Milliseconds for a login or a renewal. */
const PATIENCE_MS = 10_000;
/** Milliseconds between attempts to renew. */
const SHORTEST_WAIT = 500;
const LONGEST_RETRY = 60_000;
/** Longer than this no timer is set. */
const LONGEST_WAIT = 24 * 3_600_000;
/** The part of the longest lease that a renewal returns unless it was cut. */
const FULL = 0.9;
/** Milliseconds for giving a token back. */
const FAREWELL_MS = 1_000;
/** Milliseconds until a secret-id that was refused is shown again: five refusals in a quarter of an hour lock the role out. */
const REFUSED_MS = 300_000;

/** A login that is kept alive. */
export class TransitSession {
  readonly settings: TransitSettings;
  readonly #connections: TransitConnections;
  readonly #note: Note;
  #token: Token = { text: '', endsAt: undefined, isRenewable: false };
  /** What the last login showed. */
  #credential = '';
  #refused: { readonly credential: string; readonly until: number; readonly error: SignerError } | undefined;
  /** The longest that a token of this login lasted. */
  #longestMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #renewing: Promise<void> | undefined;
  #isTroubleReported = false;
  #isClosed = false;

  private constructor(settings: TransitSettings, connections: TransitConnections, note: Note) {
    this.settings = settings;
    this.#connections = connections;
    this.#note = note;
  }

  /** Logs in. Rejects with {@link SignerError}. */
  static async open(settings: TransitSettings, note: Note): Promise<TransitSession> {
    const session = new TransitSession(settings, await TransitConnections.open(settings), note);
    try {
      await session.#logIn(note);
      return session;
    } catch (error) {
      await session.close();
      throw error;
    }
  }

  /** For reading answers to what is asked with the token. */
  get asked(): Asked {
    return this.#asked([this.#token.text, this.#credential]);
  }

  /** Asks with the token. Rejects with {@link SignerError}. */
  async ask(question: Question): Promise<JsonObject> {
    return this.#askWith(this.#token.text, question);
  }

  /** Whether a token that is refused can be replaced without anybody's help. */
  get canLogInAgain(): boolean {
    return this.settings.login.kind !== 'token';
  }

  /** Gets another token in the place of one that was refused; once for all who ask at the same time. Rejects with {@link SignerError}. */
  replaceToken(): Promise<void> {
    return this.#once(() => this.#logIn());
  }

  /** What the server says of the token: `path`, `policies`, `ttl`. Rejects with {@link SignerError}. */
  async lookUp(signal: AbortSignal): Promise<JsonObject> {
    const answer = await this.ask({ method: 'GET', path: 'auth/token/lookup-self', signal });
    return objectIn(answer, 'data', this.asked);
  }

  /** Hands a token back that was got by a login, and drops the connections. Idempotent. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#renewing?.catch(() => undefined);
    if (isLogin(this.settings) && this.#token.text !== '') await this.#giveBack();
    this.#connections.close();
  }

  #asked(secrets: readonly string[]): Asked {
    const { product, address, prefix } = this.settings;
    return { server: `${product} at ${address}`, prefix, secrets };
  }

  async #askWith(
    token: string | undefined,
    question: Question,
    secrets = this.asked.secrets,
  ): Promise<JsonObject> {
    const answer = await this.#connections.ask({ ...question, token });
    return answeredObject(answer, this.#asked(secrets));
  }

  #once(work: () => Promise<void>): Promise<void> {
    this.#renewing ??= work().finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  /** Reads the credential again: its file may hold another one by now. */
  async #logIn(warn: Note = () => undefined): Promise<void> {
    const former = this.#token.text;
    const { credential, obtain } = await prepareLogin(this.settings, this.#loginTools(warn));
    this.#credential = credential;
    if (!isLogin(this.settings) && credential === former) throw this.#unchanged();
    this.#requireNotRefused(credential);
    try {
      const { token, lease } = await obtain();
      this.#adopt(lease ?? (await this.#leaseOf(token)));
    } catch (error) {
      if (error instanceof RefusedLogin && error.isOfCredential && this.settings.login.kind === 'approle')
        this.#refused = { credential, until: performance.now() + REFUSED_MS, error };
      throw error;
    }
  }

  #loginTools(warn: Note): LoginTools {
    return {
      ask: (path, body, secrets) =>
        this.#askWith(
          undefined,
          { method: 'POST', path, body, signal: AbortSignal.timeout(PATIENCE_MS) },
          secrets,
        ),
      asked: this.#asked([]),
      warn,
    };
  }

  #requireNotRefused(credential: string): void {
    const refused = this.#refused;
    if (refused?.credential === credential && performance.now() < refused.until) throw refused.error;
    this.#refused = undefined;
  }

  #unchanged(): SignerError {
    const { product } = this.settings;
    return new SignerError(
      'SIGNER_DENIED',
      `${loginName(this.settings)} still holds the token that ${product} takes no more`,
      { hint: 'Put a token into it that is valid; it is read again by itself.' },
    );
  }

  /** What is left of a token that was handed to us. One that may not ask is used as it is. */
  async #leaseOf(token: string): Promise<TokenLease> {
    const question: Question = {
      method: 'GET',
      path: 'auth/token/lookup-self',
      signal: AbortSignal.timeout(PATIENCE_MS),
    };
    try {
      const secrets = [token];
      const asked = this.#asked(secrets);
      const data = objectIn(await this.#askWith(token, question, secrets), 'data', asked);
      const seconds = own(data, 'ttl');
      const lastsMs = isSeconds(seconds) ? seconds * 1_000 : 0;
      return { token, lastsMs, isRenewable: own(data, 'renewable') === true };
    } catch (error) {
      if (!(error instanceof SignerError) || error.code !== 'SIGNER_DENIED') throw error;
      return { token, lastsMs: 0, isRenewable: false };
    }
  }

  #adopt({ token, lastsMs, isRenewable }: TokenLease): void {
    this.#token = {
      text: token,
      endsAt: lastsMs === 0 ? undefined : performance.now() + lastsMs,
      isRenewable,
    };
    this.#longestMs = Math.max(this.#longestMs, lastsMs);
    this.#isTroubleReported = false;
    if (lastsMs !== 0) this.#keepAliveIn((lastsMs * 2) / 3);
  }

  #keepAliveIn(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#isClosed) return;
    const wait = Math.min(Math.max(ms, SHORTEST_WAIT), LONGEST_WAIT);
    this.#timer = setTimeout(() => void this.#keepAlive(), wait).unref();
  }

  async #keepAlive(): Promise<void> {
    try {
      await this.#once(() => this.#prolong());
    } catch (error) {
      const left = (this.#token.endsAt ?? 0) - performance.now();
      this.#report(error, left);
      // From its end on, who signs sees that it ended, and asks for another.
      if (left > 0) this.#keepAliveIn(Math.min(left / 3, LONGEST_RETRY));
    }
  }

  /** Renews the token while that does some good, else logs in again. */
  async #prolong(): Promise<void> {
    const { text, isRenewable } = this.#token;
    if (isRenewable)
      try {
        const signal = AbortSignal.timeout(PATIENCE_MS);
        const answer = await this.#askWith(text, {
          method: 'POST',
          path: 'auth/token/renew-self',
          body: {},
          signal,
        });
        const lease = leaseIn(answer, this.asked);
        // One that had an end did not lose it: there is less than a second left.
        if (lease.lastsMs > 0) this.#adopt(lease);
        // Less than before, and it is not far from the longest that it may last.
        if (lease.lastsMs >= this.#longestMs * FULL || (lease.lastsMs > 0 && !isLogin(this.settings))) return;
      } catch (error) {
        if (error instanceof SignerError && isPassing(error)) throw error;
      }
    await this.#logIn();
  }

  #report(error: unknown, leftMs: number): void {
    if (this.#isTroubleReported || this.#isClosed) return;
    this.#isTroubleReported = true;
    const { product, address } = this.settings;
    const why = error instanceof SignerError ? error.message : 'it failed';
    const hint = error instanceof SignerError && error.hint !== undefined ? ` ${error.hint}` : '';
    const seconds = Math.max(0, Math.round(leftMs / 1_000));
    this.#note(
      `the token for ${product} at ${address} ends in ${seconds} s and is not renewed: ${why}.${hint}`,
    );
  }

  /** Best effort: one that is not given back ends by itself. */
  async #giveBack(): Promise<void> {
    const question = {
      method: 'POST',
      path: 'auth/token/revoke-self',
      body: {},
      signal: AbortSignal.timeout(FAREWELL_MS),
    } as const;
    await this.ask(question).catch(() => undefined);
  }
}
