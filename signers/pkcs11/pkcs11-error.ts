import { MayflyError } from '../../core/errors.ts';
import { SignerError, type SignerReason } from '../signer-error.ts';

/** Codes of {@link Pkcs11Error}: which part of the way to a key does not do. */
export const PKCS11_REASONS = [
  /** The npm package that calls libraries is not installed. */
  'PKCS11_PACKAGE_MISSING',
  /** The library cannot be loaded, is no PKCS#11 module, or does not start. */
  'PKCS11_MODULE',
  /** No token is as the URI says, or more than one is. */
  'PKCS11_TOKEN_ABSENT',
  /** The token, its session or what it is reached by failed: the next attempt, by a new process, may succeed. */
  'PKCS11_TOKEN_FAILED',
  /** A PIN is needed, and none is there or can be read. */
  'PKCS11_PIN_MISSING',
  /** The token refused the PIN, which is never tried again. */
  'PKCS11_PIN_REFUSED',
  /** The token was not shown the PIN: it is locked, or might lock. */
  'PKCS11_PIN_WITHHELD',
  /** No key is as the URI says, or more than one is. */
  'PKCS11_KEY_ABSENT',
  /** Where the key was is another one. */
  'PKCS11_KEY_CHANGED',
  /** The key is of a kind that is not used, may not sign, or has no public half. */
  'PKCS11_KEY_UNUSABLE',
  /** The process that calls the module could not be started, ended, or said what it may not. */
  'PKCS11_PROCESS',
  /** The module did not answer in time, and its process was ended. */
  'PKCS11_TIMEOUT',
] as const;

/** One of {@link PKCS11_REASONS}. */
export type Pkcs11Reason = (typeof PKCS11_REASONS)[number];

/** A key in a PKCS#11 token that cannot be used, now or at all. No PIN is ever in it. */
export class Pkcs11Error extends MayflyError<Pkcs11Reason> {}

const SIGNER_REASONS: Readonly<Record<Pkcs11Reason, SignerReason>> = {
  PKCS11_PACKAGE_MISSING: 'SIGNER_MISSING',
  PKCS11_MODULE: 'SIGNER_MISSING',
  PKCS11_TOKEN_ABSENT: 'SIGNER_KEY_GONE',
  PKCS11_TOKEN_FAILED: 'SIGNER_UNAVAILABLE',
  PKCS11_PIN_MISSING: 'SIGNER_DENIED',
  PKCS11_PIN_REFUSED: 'SIGNER_DENIED',
  PKCS11_PIN_WITHHELD: 'SIGNER_DENIED',
  PKCS11_KEY_ABSENT: 'SIGNER_KEY_GONE',
  PKCS11_KEY_CHANGED: 'SIGNER_WRONG_KEY',
  PKCS11_KEY_UNUSABLE: 'SIGNER_REFUSED',
  PKCS11_PROCESS: 'SIGNER_UNAVAILABLE',
  PKCS11_TIMEOUT: 'SIGNER_TIMEOUT',
};

/** The same for those who know no tokens; what is no {@link Pkcs11Error} as it is. */
export const asKeyFailure = (error: unknown): unknown =>
  error instanceof Pkcs11Error
    ? new SignerError(SIGNER_REASONS[error.code], error.message, { hint: error.hint })
    : error;
