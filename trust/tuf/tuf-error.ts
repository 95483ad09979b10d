import { MayflyError } from '../../core/errors.ts';

/** Codes of {@link TufError}. */
type TufReason =
  /** There is no repository. */
  | 'TUF_MISSING'
  /** There is one already. */
  | 'TUF_EXISTS'
  /** The repository in the data directory cannot be used. */
  | 'TUF_DAMAGED'
  /** A file or key from outside cannot be understood. */
  | 'TUF_MALFORMED'
  /** What was asked for must not be published: signatures, versions or files are not as they have to be. */
  | 'TUF_REFUSED'
  /** It cannot be found out now whether what was published counts. */
  | 'TUF_UNKNOWN'
  /** Another process writes the repository. */
  | 'TUF_BUSY'
  /** The clock is not one to sign by. */
  | 'TUF_CLOCK';

/** A TUF repository, or a change of one, that cannot be used as asked. */
export class TufError extends MayflyError<TufReason> {}
