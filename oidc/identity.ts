import type { IssuerDefinition } from './core/issuer-definition.ts';
import type { Principal } from './core/principal.ts';
import type { VerifiedToken } from './verify-token.ts';

/** A token that was accepted, with all that later decisions may look at. */
export interface Identity {
  readonly principal: Principal;
  /** The claims that the issuer stands for. */
  readonly token: VerifiedToken;
  /** The definition by which the token was accepted. */
  readonly definition: IssuerDefinition;
}
