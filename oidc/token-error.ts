import { MayflyError } from '../core/errors.ts';
import type { ErrorDetails } from '../core/errors.ts';

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

/** {@link ErrorDetails} and what an old client is told. */
export interface TokenErrorDetails extends ErrorDetails {
  /** See {@link TokenError.fulcioMessage}. */
  readonly fulcioMessage?: string | undefined;
}

/**
 * A token that is refused. The sentence quotes claim values only when the signature was verified before; until then
 * they are a stranger's text.
 */
export class TokenError extends MayflyError<TokenReason> {
  /** The `message` that Fulcio itself sends here, where it sends more than its general "There was an error processing
   * the identity token": faults of templates and of the name they make. */
  readonly fulcioMessage: string | undefined;

  constructor(reason: TokenReason, sentence: string, details: TokenErrorDetails = {}) {
    super(reason, sentence, details);
    this.fulcioMessage = details.fulcioMessage;
  }
}
