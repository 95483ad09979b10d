/** What a request to an artifact log comes to, once every signature in it was verified. */
import type { Certificate } from '../../core/certificate.ts';

/** Whom a signature is of. DER; a certificate also as it was parsed, once for all that look into it. */
export type EntryVerifier =
  | { readonly certificate: Uint8Array; readonly parsed: Certificate; readonly spki: Uint8Array }
  | { readonly certificate?: undefined; readonly parsed?: undefined; readonly spki: Uint8Array };

/** That of a certificate. */
export const certificateVerifier = (parsed: Certificate): EntryVerifier => ({
  certificate: parsed.der,
  parsed,
  spki: parsed.spki,
});

/** Asked for each key or certificate of a request before a signature by it is checked: what costs time is not done for those whose entries are not taken. Throws EntryError
 * `ENTRY_NOT_ADMITTED` for one of those. */
export type AdmitVerifier = (verifier: EntryVerifier) => void;

/** An entry whose signatures were verified. */
export interface ProposedEntry {
  readonly kind: 'hashedrekord' | 'dsse' | 'intoto';
  readonly version: '0.0.1' | '0.0.2';
  /** Canonical JSON (RFC 8785), at most {@link MAX_BODY} bytes: what the leaf hash covers. */
  readonly body: Uint8Array;
  /** One for each signature, in the order of the body. */
  readonly verifiers: readonly EntryVerifier[];
  /** Digests that the payload names and the body does not hold (subjects, materials), `algorithm:hex` in lower case, each once, at most
   * {@link MAX_NAMED_DIGESTS}; for search. */
  readonly namedDigests: readonly string[];
}

/** Bytes of a body, at most: the length stands in 16 bits. */
export const MAX_BODY = 0xffff;

/** Digests of subjects and materials that an entry is found by. They lie in 65,535 bytes beside it. */
export const MAX_NAMED_DIGESTS = 400;
