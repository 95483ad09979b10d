import { MayflyError } from '../core/errors.ts';

/** Codes of {@link KeyFileError}. */
export type KeyFileReason =
  'KEY_FILE_MALFORMED' | 'KEY_FILE_UNSUPPORTED' | 'PASSPHRASE_MISSING' | 'PASSPHRASE_WRONG';

/** A private key that cannot be used. Neither key nor passphrase is ever in it, not even as its cause. */
export class KeyFileError extends MayflyError<KeyFileReason> {}
