/** Signature algorithms of certificate requests, with the names that Go's crypto/x509 gives them. */
import { DerReader, oidText, Tag, type Tlv } from '../core/der.ts';
import type { ProofHash } from './signing-algorithms.ts';

/** What is known of an algorithm identifier. */
export interface CsrAlgorithm {
  /** Go's name; `0` is what Go prints for an algorithm that it does not know. */
  readonly goName: string;
  /** How to check it: undefined where a request signed that way is refused. */
  readonly check: { readonly key: 'ec' | 'rsa' | 'ed25519'; readonly hash: ProofHash } | undefined;
  /** Refused because the hash is broken. */
  readonly broken: boolean;
}

const good = (goName: string, key: 'ec' | 'rsa' | 'ed25519', hash: ProofHash): CsrAlgorithm => ({
  goName,
  check: { key, hash },
  broken: false,
});
const refused = (goName: string, broken = false): CsrAlgorithm => ({ goName, check: undefined, broken });

const BY_OID: ReadonlyMap<string, CsrAlgorithm> = new Map([
  ['1.2.840.10045.4.3.2', good('ECDSA-SHA256', 'ec', 'sha256')],
  ['1.2.840.10045.4.3.3', good('ECDSA-SHA384', 'ec', 'sha384')],
  ['1.2.840.10045.4.3.4', good('ECDSA-SHA512', 'ec', 'sha512')],
  ['1.2.840.113549.1.1.11', good('SHA256-RSA', 'rsa', 'sha256')],
  ['1.2.840.113549.1.1.12', good('SHA384-RSA', 'rsa', 'sha384')],
  ['1.2.840.113549.1.1.13', good('SHA512-RSA', 'rsa', 'sha512')],
  ['1.3.101.112', good('Ed25519', 'ed25519', undefined)],
  ['1.2.840.10045.4.1', refused('ECDSA-SHA1', true)],
  ['1.2.840.113549.1.1.5', refused('SHA1-RSA', true)],
  ['1.2.840.113549.1.1.4', refused('MD5-RSA', true)],
  ['1.2.840.10040.4.3', refused('DSA-SHA1', true)],
  ['2.16.840.1.101.3.4.3.2', refused('DSA-SHA256')],
]);

const PSS = '1.2.840.113549.1.1.10';
const PSS_BY_HASH: ReadonlyMap<string, string> = new Map([
  ['2.16.840.1.101.3.4.2.1', 'SHA256-RSAPSS'],
  ['2.16.840.1.101.3.4.2.2', 'SHA384-RSAPSS'],
  ['2.16.840.1.101.3.4.2.3', 'SHA512-RSAPSS'],
]);

/** The row of an algorithm identifier; throws {@link FormatError} when the parameters of RSASSA-PSS are malformed. */
export function csrAlgorithm(oid: string, parameters: Tlv | undefined): CsrAlgorithm {
  if (oid === PSS) return refused(PSS_BY_HASH.get(pssHash(parameters)) ?? '0');
  return BY_OID.get(oid) ?? refused('0');
}

/** RSASSA-PSS-params (RFC 4055 §3.1): SEQUENCE { [0] hashAlgorithm DEFAULT SHA-1, … }. */
function pssHash(parameters: Tlv | undefined): string {
  if (parameters?.tag !== Tag.sequence) return '';
  const hash = new DerReader(parameters.value).optional(0xa0);
  if (hash === undefined) return '';
  return oidText(new DerReader(hash.value).enter(Tag.sequence).next(Tag.oid).value);
}
