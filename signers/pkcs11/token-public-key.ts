/** Public keys as PKCS#11 has them (attributes of objects), made into SubjectPublicKeyInfo. */
import { DerReader, oidText, readOnly } from '../../core/der-reader.ts';
import { Tag } from '../../core/der-tag.ts';
import { bitString, oid, sequence, unsignedInteger } from '../../core/der-writer.ts';
import { FormatError } from '../../core/errors.ts';
import { parsePublicKey, spkiOfEd25519Key, spkiOfRsaPublicKey } from '../../core/public-key.ts';

/** CK_KEY_TYPE of the kinds that sign here. */
export const CKK = { rsa: 0x0n, ec: 0x3n, edwards: 0x40n } as const;

/** The attributes of a public key, as far as the object has them. */
export interface KeyAttributes {
  readonly keyType: bigint | undefined;
  readonly modulus?: Uint8Array | undefined;
  readonly publicExponent?: Uint8Array | undefined;
  readonly ecParams?: Uint8Array | undefined;
  readonly ecPoint?: Uint8Array | undefined;
}

const EC_PUBLIC_KEY = '1.2.840.10045.2.1';
const ED25519 = '1.3.101.112';

/** DER SubjectPublicKeyInfo; undefined where the object lacks what it is made of. Throws FormatError for a kind or curve that is not signed with here, and for
 * attributes that are none. */
export function spkiOfAttributes(attributes: KeyAttributes): Uint8Array | undefined {
  const { keyType, modulus, publicExponent, ecParams, ecPoint } = attributes;
  if (keyType === CKK.rsa) {
    if (!modulus?.length || !publicExponent?.length) return undefined;
    return spkiOfRsaPublicKey(sequence(unsignedInteger(modulus), unsignedInteger(publicExponent)));
  }
  if (keyType !== CKK.ec && keyType !== CKK.edwards)
    throw new FormatError('UNSUPPORTED', 'the key is neither ECDSA nor RSA nor Ed25519');
  if (!ecPoint?.length || !ecParams?.length) return undefined;
  if (keyType === CKK.edwards) return spkiOfEdwards(ecParams, ecPoint);
  const algorithm = sequence(oid(EC_PUBLIC_KEY), ecParams);
  const spki = sequence(algorithm, bitString(pointOf(ecPoint)));
  parsePublicKey(spki);
  return spki;
}

/** PKCS#11 3.0 §2.3.10: the curve by its object identifier, or by a name in a PrintableString. */
function spkiOfEdwards(ecParams: Uint8Array, ecPoint: Uint8Array): Uint8Array {
  const reader = new DerReader(ecParams);
  const { tag, value } = reader.next();
  reader.end();
  const isEd25519 =
    tag === Tag.oid
      ? oidText(value) === ED25519
      : tag === Tag.printableString && Buffer.from(value).toString('latin1') === 'edwards25519';
  if (!isEd25519) throw new FormatError('UNSUPPORTED', 'the key is on another Edwards curve than Ed25519');
  return spkiOfEd25519Key(pointOf(ecPoint));
}

/** The point in an OCTET STRING, as the standard has it, or bare, as some tokens do. The tag is also how an uncompressed point begins, so the length decides. */
const pointOf = (ecPoint: Uint8Array): Uint8Array =>
  BARE_LENGTHS.has(ecPoint.length) ? ecPoint : readOnly(ecPoint, Tag.octetString).value;

/** Ed25519, and the uncompressed points of P-256, P-384 and P-521. */
const BARE_LENGTHS: ReadonlySet<number> = new Set([32, 65, 97, 133]);
