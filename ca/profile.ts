/**
 * The profile of a leaf, byte for byte Fulcio's: version 3, a random serial, the CA's subject as issuer, ten minutes
 * of validity, an empty subject, the client's key, and the extensions of `extension-writer.ts`.
 */
import { concat } from '../core/bytes.ts';
import { Tag } from '../core/der-tag.ts';
import { explicit, sequence, unsignedInteger } from '../core/der-writer.ts';
import { FormatError } from '../core/errors.ts';
import { hasInvisible } from '../core/printable.ts';
import { encodeSubjectAltName, type SubjectAltName } from '../core/subject-alt-name.ts';
import { goQuote } from '../core/go/quote.ts';
import type { Principal } from '../oidc/core/principal.ts';
import { authorityKeyIdentifier, writeExtensions } from './extension-writer.ts';
import type { ProvenKey } from './possession.ts';
import { RequestError } from './request-error.ts';
import { requireSizes, requireTbsSize } from './size-limits.ts';
import type { SharedTbs } from './tbs-template.ts';
import { encodeTime, type Validity } from './validity.ts';

/** What the profile needs to know of the CA. */
interface ProfileIssuer {
  /** DER Name. */
  readonly name: Uint8Array;
  /** Subject key identifier of the CA, if it has one. */
  readonly keyId: Uint8Array | undefined;
  /** DER AlgorithmIdentifier of the CA's signatures. */
  readonly algorithm: Uint8Array;
}

/** What differs from certificate to certificate. */
export interface LeafContent {
  readonly key: ProvenKey;
  readonly principal: Principal;
  readonly validity: Validity;
  /** Unsigned big-endian, positive, at most 20 bytes (`serial.ts`). */
  readonly serial: Uint8Array;
}

/** Encodes the shared parts of a leaf. Throws {@link RequestError} `IDENTITY_UNENCODABLE`, `IDENTITY_TOO_LARGE` or
 * `ISSUER_MISSING`. */
export type Profile = (leaf: LeafContent) => SharedTbs;

const VERSION_3 = explicit(0, Uint8Array.of(Tag.integer, 1, 2));
const EMPTY_NAME = sequence();

/** The profile of a CA, with everything constant encoded beforehand. */
export function prepareProfile(issuer: ProfileIssuer): Profile {
  const middle = concat([issuer.algorithm, issuer.name]);
  const authorityKeyId = authorityKeyIdentifier(issuer.keyId);
  const timesOf = rememberingEncoder();
  return ({ key, principal, validity, serial }) => {
    const san = encodeIdentity(principal);
    requireSizes(san, principal);
    const times = timesOf(validity);
    return requireTbsSize({
      front: concat([VERSION_3, unsignedInteger(serial), middle, times, EMPTY_NAME, key.spki]),
      extensions: writeExtensions(key.keyBits, authorityKeyId, san, principal.extensions),
    });
  };
}

/** Encodes a Validity, and keeps the last one: certificates of one second nearly always share it. */
function rememberingEncoder(): (validity: Validity) => Uint8Array {
  let last: { readonly validity: Validity; readonly times: Uint8Array } | undefined;
  return (validity) => {
    const { notBefore, notAfter } = validity;
    if (last?.validity.notBefore !== notBefore || last.validity.notAfter !== notAfter)
      last = { validity, times: sequence(encodeTime(notBefore), encodeTime(notAfter)) };
    return last.times;
  };
}

function encodeIdentity({ san, issuer, extensions }: Principal): Uint8Array {
  if (issuer === '' || (extensions.get(1) ?? '') === '' || (extensions.get(8) ?? '') === '') {
    throw new RequestError('ISSUER_MISSING', 'extensions must have a non-empty issuer url');
  }
  if (isUnreadable(san)) throw unencodable(san);
  for (const number of ISSUER_EXTENSIONS)
    if (hasInvisible(extensions.get(number) ?? '')) throw invisibleIssuer(number);
  for (const value of extensions.values()) if (!value.isWellFormed()) throw unencodable(san);
  try {
    return encodeSubjectAltName(san);
  } catch (error) {
    if (error instanceof FormatError) throw isAscii(san.value) ? unencodable(san) : notAscii(san);
    throw error;
  }
}

/** Names that verifiers compare and people read, beside the subject alternative name: the issuer. */
const ISSUER_EXTENSIONS = [1, 8];

/** Whether nobody could distinguish the name from another one that looks the same: NUL has cheated verifiers, and what is
 * invisible or turns what follows around cheats people. What is not ASCII in an address or a URI is refused as Fulcio
 * words it. */
const isUnreadable = ({ type, value }: SubjectAltName): boolean =>
  value === '' || ((type === 'username' || isAscii(value)) && hasInvisible(value));

// eslint-disable-next-line no-control-regex -- all of ASCII
const isAscii = (text: string): boolean => /^[\x00-\x7f]*$/.test(text);

const HINT =
  'E-mail addresses and URIs must be ASCII; no name may hold control or invisible characters or broken Unicode.';

/** In the words that clients of Fulcio know. */
const notAscii = ({ value }: SubjectAltName): RequestError =>
  new RequestError('IDENTITY_UNENCODABLE', `x509: ${goQuote(value)} cannot be encoded as an IA5String`, {
    hint: HINT,
  });

const unencodable = ({ type }: SubjectAltName): RequestError =>
  new RequestError(
    'IDENTITY_UNENCODABLE',
    `the identity of the token cannot stand in a certificate as a name of type ${type}`,
    { hint: HINT },
  );

const invisibleIssuer = (number: number): RequestError =>
  new RequestError(
    'IDENTITY_UNENCODABLE',
    `the issuer for extension 1.3.6.1.4.1.57264.1.${number} holds control or invisible characters`,
    { hint: HINT },
  );
