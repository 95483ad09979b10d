/** AlgorithmIdentifiers in timestamp tokens (RFC 5754, RFC 5758, RFC 8017). */
import { DerReader, oidText, type Tlv } from '../../core/der-reader.ts';
import { Tag } from '../../core/der-tag.ts';
import { FormatError } from '../../core/errors.ts';
import { SIGNATURE_SCHEMES, type SignatureScheme } from '../../core/signature-algorithm.ts';
import { IMPRINT_HASHES, type ImprintHash } from './object-identifiers.ts';

const HASHES: ReadonlyMap<string, ImprintHash> = new Map(
  Object.entries(IMPRINT_HASHES).map(([name, { oid }]) => [oid, name as ImprintHash]),
);

/** The dotted algorithm of an AlgorithmIdentifier whose parameters are absent or NULL, as those of hashes and signatures here are. Throws
 * {@link FormatError}. */
export function algorithmOid({ value }: Tlv): string {
  const reader = new DerReader(value);
  const algorithm = oidText(reader.next(Tag.oid).value);
  const parameters = reader.optional(Tag.null);
  reader.end();
  if (parameters !== undefined && parameters.value.length > 0)
    throw new FormatError('MALFORMED', 'the parameters of an algorithm are malformed');
  return algorithm;
}

/** The hash of an AlgorithmIdentifier. Throws {@link FormatError} `UNSUPPORTED` for SHA-1 and all others that are not in
 * {@link IMPRINT_HASHES}. */
export function hashOf(identifier: Tlv): ImprintHash {
  const algorithm = algorithmOid(identifier);
  const hash = HASHES.get(algorithm);
  if (hash !== undefined) return hash;
  throw new FormatError('UNSUPPORTED', `the hash algorithm ${algorithm} is unknown or weak`);
}

const RSA_ENCRYPTION = '1.2.840.113549.1.1.1';
const EC_PUBLIC_KEY = '1.2.840.10045.2.1';

/** How a signature was made. Many authorities name the kind of key alone: the hash is that of the digest then. Throws
 * {@link FormatError}. */
export function signatureScheme(identifier: Tlv, digest: ImprintHash): SignatureScheme {
  const algorithm = algorithmOid(identifier);
  if (algorithm === RSA_ENCRYPTION) return { keyType: 'rsa', hash: digest };
  if (algorithm === EC_PUBLIC_KEY) return { keyType: 'ec', hash: digest };
  const scheme = SIGNATURE_SCHEMES.get(algorithm);
  if (scheme?.hash !== undefined) return scheme;
  throw new FormatError('UNSUPPORTED', `the signature algorithm ${algorithm} is unknown or weak`);
}
