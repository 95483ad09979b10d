import { MayflyError } from '../../core/errors.ts';
import type { ErrorDetails } from '../../core/errors.ts';

/** Why a token did not become a principal. */
export type TokenReason =
  | 'TOKEN_MISSING'
  | 'TOKEN_TOO_LARGE'
  | 'TOKEN_MALFORMED'
  | 'ALGORITHM_REFUSED'
  | 'ISSUER_UNKNOWN'
  | 'ISSUER_UNREACHABLE'
  | 'ISSUER_METADATA_INVALID'
  | 'KEY_UNKNOWN'
  | 'KEY_UNUSABLE'
  | 'TOKEN_SIGNATURE_INVALID'
  | 'TOKEN_EXPIRED'
  | 'TOKEN_NOT_YET_VALID'
  | 'AUDIENCE_MISMATCH'
  | 'AUDIENCE_AMBIGUOUS'
  | 'CLAIM_MISSING'
  | 'CLAIM_INVALID'
  | 'EMAIL_NOT_VERIFIED'
  | 'ISSUER_CLAIM_REFUSED'
  | 'IDENTITY_REFUSED'
  | 'TEMPLATE_FAILED';

/** What is certain of a token that was refused: its signature was verified. */
export interface CertainOfToken {
  /** Its `iss`. */
  readonly issuer: string;
  /** Name of the issuer block that it falls to by its audience; undefined when it falls to none. */
  readonly issuerBlock?: string | undefined;
}

/** {@link ErrorDetails} and what only a {@link TokenError} has. */
interface TokenErrorDetails extends ErrorDetails {
  /** The value of {@link TokenError.fulcioMessage}. */
  readonly fulcioMessage?: string | undefined;
  /** The value of {@link TokenError.certain}. */
  readonly certain?: CertainOfToken | undefined;
}

/**
 * A token that is refused. The sentence quotes claim values only when the signature was verified before. Until then they
 * are the text of an untrusted caller.
 */
export class TokenError extends MayflyError<TokenReason> {
  /** The `message` that Fulcio itself sends here, where it sends more than its general "There was an error processing
   * the identity token": faults of templates and of the name they make. */
  readonly fulcioMessage: string | undefined;
  /** Undefined for a token whose signature was not verified. */
  readonly certain: CertainOfToken | undefined;

  constructor(reason: TokenReason, sentence: string, details: TokenErrorDetails = {}) {
    super(reason, sentence, details);
    this.fulcioMessage = details.fulcioMessage;
    this.certain = details.certain;
  }
}

/** Throws `error` on; a {@link TokenError} with what is certain of its token. */
export function rethrowWith(error: unknown, certain: CertainOfToken): never {
  if (!(error instanceof TokenError)) throw error;
  const { code, message, hint, metadata, cause, fulcioMessage } = error;
  throw new TokenError(code, message, { hint, metadata, cause, fulcioMessage, certain });
}
