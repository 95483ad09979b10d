import { MayflyError } from '../core/errors.ts';

/** Codes of {@link DevError}. */
type DevCode =
  | 'DEV_NOT_SET_UP'
  | 'DEV_KEY_UNUSABLE'
  | 'DEV_ADDRESS_REFUSED'
  | 'DEV_PORT_TAKEN'
  | 'DEV_LISTEN_FAILED'
  | 'CLAIMS_INVALID';

/** A fault of the development provider or of its key. */
export class DevError extends MayflyError<DevCode> {}
