/** What an entry of an artifact log is about. */
import type { EntryHash } from './entry-digest.ts';

/** A signature, as an entry is to be about it. */
export interface LoggedSignature {
  /** DER: the certificate that came with it, or the SubjectPublicKeyInfo of the key alone. */
  readonly verifier:
    | { readonly certificate: Uint8Array; readonly spki: Uint8Array }
    | { readonly certificate?: undefined; readonly spki: Uint8Array };
  readonly signature: Uint8Array;
  readonly signed:
    | {
        readonly type: 'message';
        readonly hash: EntryHash;
        /** Of the artifact, by that hash. */
        readonly digest: Uint8Array;
      }
    | {
        readonly type: 'envelope';
        readonly payloadType: string;
        readonly payload: Uint8Array;
        readonly keyId: string;
        /** DSSE's pre-authentication encoding of both. */
        readonly preAuthenticationEncoding: Uint8Array;
      };
}
