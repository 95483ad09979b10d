import type { Clock } from '../core/clock.ts';
import type { IssuerDefinition } from './issuer-definition.ts';
import type { Principal } from './principal.ts';

/** Something about an issuer that an operator should know, though the service starts. */
export interface IssuerWarning {
  /** The issuer's URL as defined. */
  readonly issuer: string;
  readonly sentence: string;
  readonly hint: string;
}

/** Turns tokens into principals. */
export interface Authenticator {
  /** Who the token speaks for. Throws {@link TokenError}. */
  authenticate(token: string): Promise<Principal>;
  /** Fetches every issuer's keys ahead of the first token. What fails is a warning and is tried again with the first
   * token that needs it. Never throws. */
  start(): Promise<IssuerWarning[]>;
  /** Closes the connections to the issuers. */
  close(): Promise<void>;
}

/** What {@link createAuthenticator} needs. */
export interface AuthenticatorOptions {
  readonly issuers: readonly IssuerDefinition[];
  readonly clock: Clock;
}

/** The type of `createAuthenticator`: throws {@link DefinitionError} when an issuer's definition cannot work. */
export type CreateAuthenticator = (options: AuthenticatorOptions) => Authenticator;
