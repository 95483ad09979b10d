/** Who a certificate is for, and whose word that is. */
import { equalBytes, utf8Text } from '../core/bytes.ts';
import { findExtension, type Certificate } from '../core/certificate.ts';
import { DerReader, readOnly } from '../core/der-reader.ts';
import { Tag } from '../core/der-tag.ts';
import { FULCIO_ARC } from '../core/fulcio-extensions.ts';
import { printable } from '../core/printable.ts';
import { decodeSubjectAltNames, type SubjectAltName } from '../core/subject-alt-name.ts';
import type { TextPolicy } from './identity-policy.ts';
import { EXTENSION } from './standard-extensions.ts';
import { refused } from './verify-error.ts';

const ISSUER_V1 = `${FULCIO_ARC}.1`;
const ISSUER_V2 = `${FULCIO_ARC}.8`;
const EMPTY_NAME = Uint8Array.of(Tag.sequence, 0);

/** The only name in the certificate. Throws a refusal or FormatError when there is none, more than one, or one of an
 * unknown kind. */
export function readIdentity(certificate: Certificate): SubjectAltName {
  const extension = findExtension(certificate, EXTENSION.subjectAltName);
  if (extension === undefined) throw refused('the certificate names nobody: it has no SubjectAltName');
  if (!extension.critical && equalBytes(certificate.subject, EMPTY_NAME)) {
    throw refused('the SubjectAltName of a certificate without a subject must be critical');
  }
  if (countNames(extension.value) !== 1) throw refused('the certificate must name exactly one identity');
  const [name] = decodeSubjectAltNames(extension.value);
  if (name === undefined) throw refused('the identity is neither an e-mail address, a URI nor a user name');
  return name;
}

/** Names of every kind: {@link decodeSubjectAltNames} passes over kinds that it does not know. */
function countNames(generalNames: Uint8Array): number {
  const reader = new DerReader(readOnly(generalNames, Tag.sequence).value);
  let count = 0;
  for (; !reader.done; count++) reader.next();
  return count;
}

/** The OpenID issuer that vouched for the identity: extension 1.8, with which the older 1.1 must agree; or 1.1 alone, as certificates of before 2023 have it.
 * Throws a refusal or FormatError. */
export function readIssuer(certificate: Certificate): string {
  const current = findExtension(certificate, ISSUER_V2);
  const older = findExtension(certificate, ISSUER_V1);
  if (current === undefined && older === undefined)
    throw refused(
      `the certificate does not name its OpenID issuer (${ISSUER_V2} or ${ISSUER_V1}), as those of GitHub for its releases: who vouched for the identity cannot be asked for`,
    );
  const [issuer, other] = [
    current && utf8Text(readOnly(current.value, Tag.utf8String).value),
    older && utf8Text(older.value),
  ];
  if (issuer !== undefined && other !== undefined && issuer !== other)
    throw refused('the certificate names two different OpenID issuers');
  const found = issuer ?? other;
  if (found === undefined || found === '') throw refused('the certificate names an empty OpenID issuer');
  return found;
}

/** Throws a refusal unless the policy accepts the text. */
export function demand(policy: TextPolicy, text: string, what: string): void {
  if (!policy.accepts(text)) {
    throw refused(
      `the ${what} is "${printable(text)}", wanted is ${printable(policy.description)}`,
      'policy',
    );
  }
}
