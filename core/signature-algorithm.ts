/** Signature algorithms as certificates name them (RFC 5758, 4055, 8410). */
import { Tag } from './der-tag.ts';
import { oid, sequence } from './der-writer.ts';

/** How a {@link Signer} signs. The name says key and hash; signatures are DER for ECDSA, PKCS#1 v1.5 for RSA. */
export type SignatureAlgorithm =
  'ecdsa-p256-sha256' | 'ecdsa-p384-sha384' | 'ecdsa-p521-sha512' | 'rsa-pkcs1-sha256' | 'ed25519';

/** What a signature's algorithm asks of key and hash; Ed25519 hashes by itself. */
export interface SignatureScheme {
  readonly keyType: 'ec' | 'rsa' | 'ed25519';
  readonly hash: 'sha256' | 'sha384' | 'sha512' | undefined;
}

/** One row of {@link SIGNATURE_ALGORITHMS}. */
interface SignatureAlgorithmRow extends SignatureScheme {
  /** Dotted text. */
  readonly oid: string;
  /** DER AlgorithmIdentifier, with the parameters that the algorithm's RFC demands. */
  readonly identifier: Uint8Array;
}

const ECDSA_SHA256 = '1.2.840.10045.4.3.2';
const ECDSA_SHA384 = '1.2.840.10045.4.3.3';
const ECDSA_SHA512 = '1.2.840.10045.4.3.4';
const RSA_SHA256 = '1.2.840.113549.1.1.11';
const RSA_SHA384 = '1.2.840.113549.1.1.12';
const RSA_SHA512 = '1.2.840.113549.1.1.13';
const ED25519 = '1.3.101.112';

/** Object identifier → scheme, for every algorithm that a certificate from outside may be signed with: a CA that
 * was made elsewhere may pair key and hash as it likes. RSASSA-PSS and SHA-1 are not among them. */
export const SIGNATURE_SCHEMES: ReadonlyMap<string, SignatureScheme> = new Map<string, SignatureScheme>([
  [ECDSA_SHA256, { keyType: 'ec', hash: 'sha256' }],
  [ECDSA_SHA384, { keyType: 'ec', hash: 'sha384' }],
  [ECDSA_SHA512, { keyType: 'ec', hash: 'sha512' }],
  [RSA_SHA256, { keyType: 'rsa', hash: 'sha256' }],
  [RSA_SHA384, { keyType: 'rsa', hash: 'sha384' }],
  [RSA_SHA512, { keyType: 'rsa', hash: 'sha512' }],
  [ED25519, { keyType: 'ed25519', hash: undefined }],
]);

const bare = (dotted: string): Uint8Array => sequence(oid(dotted));
const withNull = (dotted: string): Uint8Array => sequence(oid(dotted), Uint8Array.of(Tag.null, 0));

/** How each {@link SignatureAlgorithm} stands in a certificate. */
export const SIGNATURE_ALGORITHMS: Readonly<Record<SignatureAlgorithm, SignatureAlgorithmRow>> = {
  'ecdsa-p256-sha256': {
    oid: ECDSA_SHA256,
    identifier: bare(ECDSA_SHA256),
    keyType: 'ec',
    hash: 'sha256',
  },
  'ecdsa-p384-sha384': {
    oid: ECDSA_SHA384,
    identifier: bare(ECDSA_SHA384),
    keyType: 'ec',
    hash: 'sha384',
  },
  'ecdsa-p521-sha512': {
    oid: ECDSA_SHA512,
    identifier: bare(ECDSA_SHA512),
    keyType: 'ec',
    hash: 'sha512',
  },
  'rsa-pkcs1-sha256': {
    oid: RSA_SHA256,
    identifier: withNull(RSA_SHA256),
    keyType: 'rsa',
    hash: 'sha256',
  },
  ed25519: { oid: ED25519, identifier: bare(ED25519), keyType: 'ed25519', hash: undefined },
};
