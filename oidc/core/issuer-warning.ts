/** Something about an issuer that an operator should know, though the service goes on. */
export interface IssuerWarning {
  /** The issuer's URL as defined. */
  readonly issuer: string;
  readonly sentence: string;
  readonly hint: string;
}
