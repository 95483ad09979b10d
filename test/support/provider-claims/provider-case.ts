/** What a provider's tokens hold, as its documentation and captured tokens show them, and what becomes of it. */
export interface ProviderCase {
  /** The preset that the tokens are for; its blanks are filled with their examples. */
  readonly preset: string;
  /** Without `iss`, `aud` and the times. */
  readonly claims: Readonly<Record<string, unknown>>;
  readonly san: string;
  /** By number, without 1, 8 (the issuer) and 24 (`sub`), which are the same for all. */
  readonly extensions: Readonly<Record<number, string>>;
  /** Claims laid over the good ones (`undefined` takes one away) that make the token somebody else's: all are refused by a
   * rule. By what they are. */
  readonly others: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}
