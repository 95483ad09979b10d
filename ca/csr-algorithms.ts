/** Signature algorithms of certificate requests, with their names in Go's crypto/x509. */
import { DerReader, oidText, type Tlv } from '../core/der-reader.ts';
import { contextTag, Tag } from '../core/der-tag.ts';
import { SIGNATURE_SCHEMES, type SignatureScheme } from '../core/signature-algorithm.ts';

/** What is known of an algorithm identifier. */
export interface CsrAlgorithm {
  /** Go's name; `0` is what Go prints for an algorithm that it does not know. */
  readonly goName: string;
  /** How to check it: undefined where a request signed that way is refused. */
  readonly scheme: SignatureScheme | undefined;
  /** Refused because its hash is broken. */
  readonly broken: boolean;
}

const GO_NAMES: ReadonlyMap<string, string> = new Map([
  ['1.2.840.10045.4.3.2', 'ECDSA-SHA256'],
  ['1.2.840.10045.4.3.3', 'ECDSA-SHA384'],
  ['1.2.840.10045.4.3.4', 'ECDSA-SHA512'],
  ['1.2.840.113549.1.1.11', 'SHA256-RSA'],
  ['1.2.840.113549.1.1.12', 'SHA384-RSA'],
  ['1.2.840.113549.1.1.13', 'SHA512-RSA'],
  ['1.3.101.112', 'Ed25519'],
  ['1.2.840.10045.4.1', 'ECDSA-SHA1'],
  ['1.2.840.113549.1.1.5', 'SHA1-RSA'],
  ['1.2.840.113549.1.1.4', 'MD5-RSA'],
  ['1.2.840.10040.4.3', 'DSA-SHA1'],
  ['2.16.840.1.101.3.4.3.2', 'DSA-SHA256'],
]);

const PSS = '1.2.840.113549.1.1.10';
const PSS_NAMES: ReadonlyMap<string, string> = new Map([
  ['2.16.840.1.101.3.4.2.1', 'SHA256-RSAPSS'],
  ['2.16.840.1.101.3.4.2.2', 'SHA384-RSAPSS'],
  ['2.16.840.1.101.3.4.2.3', 'SHA512-RSAPSS'],
]);

/** What is known of an algorithm identifier; throws {@link FormatError} when the parameters of RSASSA-PSS are
 * malformed. */
export function csrAlgorithm(oid: string, parameters: Tlv | undefined): CsrAlgorithm {
  const goName = (oid === PSS ? PSS_NAMES.get(pssHash(parameters)) : GO_NAMES.get(oid)) ?? '0';
  return { goName, scheme: SIGNATURE_SCHEMES.get(oid), broken: /SHA1|MD5/.test(goName) };
}

/** RSASSA-PSS-params (RFC 4055 §3.1): SEQUENCE { [0] hashAlgorithm DEFAULT SHA-1, … }. */
function pssHash(parameters: Tlv | undefined): string {
  if (parameters?.tag !== Tag.sequence) return '';
  const hash = new DerReader(parameters.value).optional(contextTag(0, true));
  if (hash === undefined) return '';
  return oidText(new DerReader(hash.value).enter(Tag.sequence).next(Tag.oid).value);
}
