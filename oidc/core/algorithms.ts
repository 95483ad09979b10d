/** JWS algorithms (RFC 7518 §3.1, RFC 8037) with which an issuer may sign. HS* and none are not among them, ever. */
export const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
] as const;

/** One of {@link ALGORITHMS}. */
export type Algorithm = (typeof ALGORITHMS)[number];

const KNOWN: ReadonlySet<string> = new Set(ALGORITHMS);

/** Whether `text` names one of {@link ALGORITHMS}. */
export const isAlgorithm = (text: string): text is Algorithm => KNOWN.has(text);
