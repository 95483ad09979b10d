/**
 * A token, whatever becomes of the processes that call its module: the one that runs is used, and the next request after its end starts another, which logs in and
 * finds the keys again. That is the only way back that every module has: after a lost session, an unplugged token or a broken connection some answer with errors, and some
 * with nothing found.
 */
import { createHash } from 'node:crypto';
import { equalBytes, toBase64 } from '../../core/bytes.ts';
import { CallSlots } from '../call-slots.ts';
import { Pkcs11Error } from './pkcs11-error.ts';
import type { KeySelector, ModuleLocation, TokenSelector } from '../pkcs11-uri.ts';
import { moduleFile } from './module-file.ts';
import { TokenProcess } from './start-token-process.ts';
import {
  arrivedBytes,
  arrivedKeys,
  arrivedModule,
  arrivedNothing,
  arrivedTaken,
  sentSelector,
  type ShownKey,
  type ShownModule,
} from './token-messages.ts';
import type { TokenKeyKind } from './token-key-kinds.ts';

/** Signatures at a time: more sessions than a small token has would take them from others. */
const SESSIONS = 4;

/** Milliseconds of a signature below which more may be asked for at a time again. */
const QUICK_MS = 250;

/** Milliseconds for each step until keys are found: logins over a network take their time. A step that was taken before has three times as long as it took then, but at least
 * {@link REOPEN_MS}: a token that hangs is to be back soon after it goes on. After a step that took too long it has twice as long: the token may have become slower. */
const OPEN_MS = 12_000;
const REOPEN_MS = 2_500;

/** Milliseconds for a pair of RSA keys in a small token. */
const MAKE_MS = 120_000;

/** Milliseconds between a failed start and the next one: the first pause, and the longest. */
const FIRST_PAUSE = 250;
const LONGEST_PAUSE = 2_000;

/** What is reached, and how. */
export interface TokenSettings {
  readonly module: ModuleLocation;
  readonly token: TokenSelector;
  /** Reads the PIN, anew for each process; undefined where there is none. */
  readonly pin: () => Promise<Uint8Array | undefined>;
  /** Whether a person asks: then the PIN is tried although the last one that the token was shown was wrong. */
  readonly isAttended?: boolean;
  /** Environment variables for the process. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** For making keys. */
  readonly isForWriting?: boolean;
}

/** A process with the token opened in it, and the keys that were found. */
interface Opened {
  readonly process: TokenProcess;
  readonly taken: Map<string, Promise<TakenKey>>;
}

/** A key, and the number to sign by it with. */
interface TakenKey {
  readonly number: number;
  readonly key: ShownKey;
}

/** The way to one token. */
export class TokenConnection {
  readonly #settings: TokenSettings;
  readonly #slots = new CallSlots(SESSIONS);
  #opening: Promise<Opened> | undefined;
  /** SHA-256 of the PIN that the token refused, and of the one that it took. */
  #refused: Uint8Array | undefined;
  #accepted: Uint8Array | undefined;
  #failure: { readonly error: unknown; readonly until: number } | undefined;
  #pause = 0;
  readonly #dropped = new WeakSet<Opened>();
  /** By step. */
  readonly #limits = new Map<string, number>();
  #starting: TokenProcess | undefined;
  #isClosed = false;

  constructor(settings: TokenSettings) {
    this.#settings = settings;
  }

  /** The one key that is as `selector` says. Rejects with {@link Pkcs11Error}. */
  async key(selector: KeySelector): Promise<ShownKey> {
    return this.#using(async (opened) => (await this.#take(opened, selector)).key);
  }

  /** The private keys that are as `selector` says. Rejects with {@link Pkcs11Error}. */
  async keys(selector: KeySelector): Promise<readonly ShownKey[]> {
    const request = { ask: 'keys', key: sentSelector(selector) } as const;
    return this.#using(({ process }) => process.ask(request, arrivedKeys, OPEN_MS));
  }

  /** Resolves with true once there is room for a {@link sign}, which frees it; with false at `signal`. */
  room(signal: AbortSignal): Promise<boolean> {
    return this.#slots.enter(signal);
  }

  /** The signature by the key that is as `selector` says and has that public half. Rejects with {@link Pkcs11Error}, and with the reason of `signal` as soon as that is aborted; a module that
   * has not answered anything for as long loses its process. To be called once there is {@link room}. */
  async sign(
    selector: KeySelector,
    spki: Uint8Array,
    data: Uint8Array,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const signature = this.#using(async (opened) => {
      const { number, key } = await this.#take(opened, selector);
      if (key.spki === undefined || !equalBytes(key.spki, spki)) {
        opened.taken.clear();
        throw changed();
      }
      const request = { ask: 'sign', number, data: toBase64(data) } as const;
      const from = performance.now();
      const made = await opened.process.ask(request, arrivedBytes, signal);
      this.#adapt(signal.aborted, performance.now() - from);
      this.#pause = 0;
      return made;
    });
    // What goes on after its caller gave up keeps its session.
    const left = signature.finally(() => {
      this.#slots.leave();
    });
    return until(signal, left);
  }

  /** Many tokens make one signature after the other, whatever they are asked for: those in the module wait there, within their time. One that came too late is a reason to let
   * fewer in. */
  #adapt(isLate: boolean, tookMs: number): void {
    const { count } = this.#slots;
    if (isLate && count > 1) this.#slots.resize(count - 1);
    if (!isLate && tookMs < QUICK_MS && count < SESSIONS) this.#slots.resize(count + 1);
  }

  /** What the module says of its slots. Rejects with {@link Pkcs11Error}. */
  async module(): Promise<ShownModule> {
    return this.#using(({ process }) => process.ask({ ask: 'slots' }, arrivedModule, OPEN_MS));
  }

  /** Makes a key pair. Rejects with {@link Pkcs11Error}. */
  async make(kind: TokenKeyKind, label: string, id: Uint8Array): Promise<void> {
    const request = { ask: 'make', kind, label, id: toBase64(id) } as const;
    await this.#using(({ process }) => process.ask(request, arrivedNothing, MAKE_MS));
  }

  /** Ends the process. What is asked later is rejected. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    // It may hang.
    this.#starting?.kill();
    const opened = await this.#opening?.catch(() => undefined);
    this.#opening = undefined;
    await opened?.process.end();
  }

  async #using<T>(work: (opened: Opened) => Promise<T>): Promise<T> {
    const opened = await this.#opened();
    try {
      return await work(opened);
    } catch (error) {
      if (!isOfKeyAlone(error, opened)) this.#drop(opened, error);
      throw error;
    }
  }

  async #opened(): Promise<Opened> {
    for (let opening = this.#opening; opening !== undefined; opening = this.#opening) {
      const opened = await opening;
      if (!opened.process.isGone) return opened;
      if (this.#opening === opening) this.#opening = undefined;
    }
    if (this.#isClosed) throw new Pkcs11Error('PKCS11_PROCESS', 'the token is closed');
    if (this.#failure !== undefined && performance.now() < this.#failure.until) throw this.#failure.error;
    return this.#start();
  }

  #start(): Promise<Opened> {
    const opening = this.#open();
    this.#opening = opening;
    opening.catch((error: unknown) => {
      if (this.#opening === opening) this.#opening = undefined;
      this.#failed(error);
    });
    return opening;
  }

  async #open(): Promise<Opened> {
    const { module, token, isForWriting = false } = this.#settings;
    const file = moduleFile(module);
    const pin = await this.#settings.pin();
    const mark = pin === undefined ? undefined : createHash('sha256').update(pin).digest();
    if (mark !== undefined && this.#refused !== undefined && equalBytes(mark, this.#refused))
      throw stillWrong();
    const wasRight = mark !== undefined && this.#accepted !== undefined && equalBytes(mark, this.#accepted);
    const isSure = this.#settings.isAttended === true || wasRight || this.#refused !== undefined;
    const process = new TokenProcess(this.#settings.env);
    this.#starting = process;
    try {
      await this.#step('load', (limit) => process.ask({ ask: 'load', module: file }, arrivedNothing, limit));
      const text = pin === undefined ? null : Buffer.from(pin).toString('utf8');
      const access = { token, pin: text, isSure, sessions: SESSIONS, isForWriting };
      await this.#step('open', (limit) => process.ask({ ask: 'open', ...access }, arrivedNothing, limit));
    } catch (error) {
      if (error instanceof Pkcs11Error && error.code === 'PKCS11_PIN_REFUSED') this.#refused = mark;
      void process.end();
      throw error;
    } finally {
      this.#starting = undefined;
    }
    [this.#accepted, this.#refused] = [mark, undefined];
    return { process, taken: new Map() };
  }

  /** Does a step with the time that it may take, and learns from how long it took. */
  async #step<T>(name: string, work: (limit: number) => Promise<T>): Promise<T> {
    const limit = this.#limits.get(name) ?? OPEN_MS;
    const from = performance.now();
    try {
      const done = await work(limit);
      this.#limits.set(name, Math.min(OPEN_MS, Math.max(REOPEN_MS, 3 * (performance.now() - from))));
      return done;
    } catch (error) {
      const isLate = error instanceof Pkcs11Error && error.code === 'PKCS11_TIMEOUT';
      if (isLate) this.#limits.set(name, Math.min(OPEN_MS, 2 * limit));
      throw error;
    }
  }

  /** Asks for a key once in each process. */
  #take({ process, taken }: Opened, selector: KeySelector): Promise<TakenKey> {
    const key = sentSelector(selector);
    const name = JSON.stringify(key);
    const known =
      taken.get(name) ?? this.#step(name, (limit) => process.ask({ ask: 'take', key }, arrivedTaken, limit));
    taken.set(name, known);
    // One that failed for a reason of the key's is asked for again: it may have been repaired.
    known.catch(() => taken.delete(name));
    return known;
  }

  /** The first of several requests that fail together says why. */
  #drop(opened: Opened, error: unknown): void {
    if (this.#dropped.has(opened)) return;
    this.#dropped.add(opened);
    this.#failed(error);
    void opened.process.end();
  }

  /** The first failure is followed by a new start at once. Starts that fail, and processes that fail at their first signature, become rarer. */
  #failed(error: unknown): void {
    this.#failure = { error, until: performance.now() + this.#pause };
    this.#pause = Math.min(Math.max(this.#pause * 2, FIRST_PAUSE), LONGEST_PAUSE);
  }
}

/** Whether other keys of the token can go on with the process. A key that is not found may be one that a new process would find: it has one where that disturbs no other. */
function isOfKeyAlone(error: unknown, { taken }: Opened): boolean {
  if (!(error instanceof Pkcs11Error)) return false;
  const { code } = error;
  return (
    code === 'PKCS11_KEY_UNUSABLE' ||
    code === 'PKCS11_KEY_CHANGED' ||
    (code === 'PKCS11_KEY_ABSENT' && taken.size > 0)
  );
}

const changed = (): Pkcs11Error =>
  new Pkcs11Error('PKCS11_KEY_CHANGED', 'the key in the token is another one than when it was opened', {
    hint: 'Put the key back, or restart with the certificates of the new one.',
  });

const stillWrong = (): Pkcs11Error =>
  new Pkcs11Error('PKCS11_PIN_REFUSED', 'the PIN is not shown to the token: it is the one that was refused', {
    hint: 'Correct the PIN where pin-source says: it is tried once when it has changed. If the token got this PIN meanwhile, start anew.',
  });

/** What `work` comes to, or the reason of `signal` once that is aborted. */
async function until<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  work.catch(() => undefined);
  const settled = new AbortController();
  const aborted = new Promise<never>((_, reject) => {
    const onAbort = (): void => {
      reject(signal.reason as Error);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { signal: settled.signal });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    settled.abort();
  }
}
