import { MayflyError, type ErrorDetails } from '../core/errors.ts';

/** Codes of {@link SignerError}. */
export type SignerReason =
  /** What holds the key cannot be reached, or fails. */
  | 'SIGNER_UNAVAILABLE'
  /** It does not answer in time. */
  | 'SIGNER_TIMEOUT'
  /** It takes no more for a moment. */
  | 'SIGNER_THROTTLED'
  /** More signatures are asked for here than it makes in time; none was tried. */
  | 'SIGNER_BUSY'
  /** It refuses who we are: credentials, a PIN, a permission. */
  | 'SIGNER_DENIED'
  /** There is no such key, or it may not sign any more: deleted, disabled, out of reach of the token. */
  | 'SIGNER_KEY_GONE'
  /** It signed with another key than the one that was opened, or what it returns is no signature over what was asked. */
  | 'SIGNER_WRONG_KEY'
  /** It refuses what it was asked, for good: an algorithm or a form that it does not know. */
  | 'SIGNER_REFUSED'
  /** What reaches such keys is not installed. */
  | 'SIGNER_MISSING';

/** What a {@link SignerError} carries besides its sentence. */
interface SignerErrorDetails extends ErrorDetails {
  /** Milliseconds after which trying again may help, where the backend says so. */
  readonly retryAfterMs?: number | undefined;
}

/** A key outside the process that did not sign. Neither PIN nor token is ever in it, not even in its cause. */
export class SignerError extends MayflyError<SignerReason> {
  readonly retryAfterMs: number | undefined;

  constructor(code: SignerReason, message: string, details: SignerErrorDetails = {}) {
    const { retryAfterMs, metadata } = details;
    const seconds =
      retryAfterMs === undefined ? undefined : String(Math.max(1, Math.ceil(retryAfterMs / 1000)));
    super(code, message, {
      ...details,
      metadata: seconds === undefined ? metadata : { ...metadata, retryAfter: seconds },
    });
    this.retryAfterMs = retryAfterMs;
  }
}

/** What may pass within a second, so that the same signature is asked for again. */
const PASSING: ReadonlySet<SignerReason> = new Set([
  'SIGNER_UNAVAILABLE',
  'SIGNER_TIMEOUT',
  'SIGNER_THROTTLED',
]);

/** Whether another try may help although nobody changes anything. */
export const isPassing = ({ code }: SignerError): boolean => PASSING.has(code);

/** The same of one that was not even tried. */
export const mayPass = (error: SignerError): boolean => isPassing(error) || error.code === 'SIGNER_BUSY';

/** What a backend threw, as a {@link SignerError}: anything else is a fault of the backend, and its text may hold what must not be shown. */
export const asSignerError = (error: unknown): SignerError =>
  error instanceof SignerError
    ? error
    : new SignerError('SIGNER_UNAVAILABLE', 'the key cannot be used', { cause: error });

/** Milliseconds after which a key is asked again, whatever its backend says: nobody is sent away for longer. */
const LONGEST_RETRY_AFTER = 30_000;

/** The error with the reference of the key in front of it, and with a wait that is believed. */
export function named(where: string, error: SignerError): SignerError {
  if (error.message.startsWith(where)) return error;
  const { code, message, hint, cause, retryAfterMs } = error;
  const wait = retryAfterMs === undefined ? undefined : Math.min(retryAfterMs, LONGEST_RETRY_AFTER);
  return new SignerError(code, `${where}: ${message}`, { hint, cause, retryAfterMs: wait });
}
