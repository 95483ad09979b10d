/** Errors between threads. An error that is copied loses its class, and with it what it means: the class is sent by its name. */
import { AuditError, AuditSinkError } from '../../audit/audit-error.ts';
import { MayflyError, type ErrorDetails } from '../../core/errors.ts';
import { PolicyError } from '../../policy/core/policy-error.ts';
import { ReplayFault } from '../../policy/replay/replay-fault.ts';
import { ListenError } from '../../server/http/listen-address.ts';
import { SignerError } from '../../signers/signer-error.ts';
import { TransportError } from '../../server/http/transport-error.ts';
import { LogError } from '../../tlog/core/log-error.ts';

type ErrorClass = new (code: never, message: string, details: ErrorDetails) => MayflyError;

/** Those that the other thread distinguishes. */
const CLASSES: ReadonlyMap<string, ErrorClass> = new Map(
  [
    LogError,
    SignerError,
    PolicyError,
    AuditError,
    AuditSinkError,
    ReplayFault,
    TransportError,
    ListenError,
  ].map((one) => [one.name, one as ErrorClass]),
);

/** Causes of causes that are sent. */
const MAX_DEPTH = 4;

/** Errors of the other thread that are known again when they come once more. */
const MAX_KNOWN = 64;

/** What is sent of an error. */
export interface SentError {
  /** The same for the same error, so that what is reported once is known again. */
  readonly id: number;
  readonly name: string;
  readonly code?: string | undefined;
  readonly message: string;
  readonly stack?: string | undefined;
  readonly hint?: string | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** Of a LogError. */
  readonly mayBeLogged?: boolean | undefined;
  readonly cause?: SentError | undefined;
}

const ids = new WeakMap<Error, number>();
let lastId = 0;

function idOf(error: Error): number {
  const known = ids.get(error);
  if (known !== undefined) return known;
  ids.set(error, ++lastId);
  return lastId;
}

/** The errors of one conversation. */
export class SentErrors {
  /** Those that came, in the order in which they came first. */
  readonly #known = new Map<number, Error>();

  /** What of `error` travels. */
  sent(error: unknown, depth = 0): SentError {
    if (!(error instanceof Error)) return this.sent(new Error(String(error)), depth);
    const { name, message, stack, cause } = error;
    const under = cause === undefined || depth >= MAX_DEPTH ? undefined : this.sent(cause, depth + 1);
    const common = { id: idOf(error), name, message, cause: under };
    if (!(error instanceof MayflyError)) return { ...common, stack };
    const { code, hint, metadata } = error as MayflyError;
    const mayBeLogged = error instanceof LogError ? error.mayBeLogged : undefined;
    return { ...common, code, hint, metadata, mayBeLogged };
  }

  /** The error again; the same object for the same error. */
  received(sent: SentError): Error {
    const known = this.#known.get(sent.id);
    if (known !== undefined) return known;
    const error = made(sent, sent.cause === undefined ? undefined : this.received(sent.cause));
    this.#known.set(sent.id, error);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MAX_KNOWN) break;
      this.#known.delete(oldest);
    }
    return error;
  }
}

function made({ name, code, message, stack, hint, metadata, mayBeLogged }: SentError, cause?: Error): Error {
  const Class = CLASSES.get(name);
  if (Class === undefined || code === undefined) {
    const error = new Error(message, cause === undefined ? undefined : { cause });
    return Object.assign(error, { name, stack: stack ?? error.stack ?? '' });
  }
  const error = new Class(code as never, message, { hint, metadata, cause });
  return mayBeLogged === true ? Object.assign(error, { mayBeLogged }) : error;
}
