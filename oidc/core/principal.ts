import type { ExtensionValues } from '../../core/fulcio-extensions.ts';
import type { SubjectAltName } from '../../core/subject-alt-name.ts';

/** Who asks for a certificate, as it will name them. For certificates, only {@link Authenticator.identify} makes one. */
export interface Principal {
  /** What the certificate names as issuer (extensions 1 and 8): the token's `iss`, or the issuer-claim's value. */
  readonly issuer: string;
  /** The token's `sub`, raw (extension 24); empty when the token has none. */
  readonly subject: string;
  /** The text whose UTF-8 bytes the proof of possession signs. */
  readonly challenge: string;
  /** A second text that the proof may sign instead: the verified e-mail address of a token whose challenge is `sub`,
   * because common clients sign the address whenever the token carries one. */
  readonly alternativeChallenge?: string | undefined;
  /** The one name in the certificate. */
  readonly san: SubjectAltName;
  /** Values of Fulcio's extensions by number; 1 and 8 are always there, none is empty. */
  readonly extensions: ExtensionValues;
}
