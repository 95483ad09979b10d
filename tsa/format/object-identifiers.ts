/** Object identifiers of timestamps (RFC 3161, RFC 5652, RFC 5035, RFC 5754), dotted. */

/** Hash algorithms of message imprints, and how many octets their digests have. */
export const IMPRINT_HASHES = {
  sha256: { oid: '2.16.840.1.101.3.4.2.1', size: 32 },
  sha384: { oid: '2.16.840.1.101.3.4.2.2', size: 48 },
  sha512: { oid: '2.16.840.1.101.3.4.2.3', size: 64 },
} as const;

/** A hash that a message imprint may be made with. */
export type ImprintHash = keyof typeof IMPRINT_HASHES;

/** The policy of Sigstore's own authority, which is the default of ours: the time is that of the machine, nothing else is
 * promised. */
export const SIGSTORE_POLICY = '1.3.6.1.4.1.57264.2';

export const SIGNED_DATA = '1.2.840.113549.1.7.2';
export const TST_INFO = '1.2.840.113549.1.9.16.1.4';
export const CONTENT_TYPE = '1.2.840.113549.1.9.3';
export const MESSAGE_DIGEST = '1.2.840.113549.1.9.4';
export const SIGNING_CERTIFICATE_V2 = '1.2.840.113549.1.9.16.2.47';
export const SIGNING_CERTIFICATE = '1.2.840.113549.1.9.16.2.12';
