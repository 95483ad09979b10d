/** What a certificate must be to stand where it stands in a chain: leaf or authority (RFC 5280 §6.1). */
import { findExtension, type Certificate } from '../core/certificate.ts';
import { rfc3339 } from '../core/clock.ts';
import { describeName } from '../core/distinguished-name.ts';
import { POISON_OID, SCT_LIST_OID } from '../ct-log/format/sct.ts';
import {
  ANY_USAGE,
  basicConstraints,
  CODE_SIGNING,
  EXTENSION,
  extendedKeyUsage,
  KeyUsage,
  keyUsage,
} from './standard-extensions.ts';
import { refused } from './verify-error.ts';

const AUTHORITY_KNOWS: ReadonlySet<string> = new Set([
  EXTENSION.basicConstraints,
  EXTENSION.keyUsage,
  EXTENSION.extendedKeyUsage,
]);
const LEAF_KNOWS: ReadonlySet<string> = new Set([...AUTHORITY_KNOWS, EXTENSION.subjectAltName, SCT_LIST_OID]);

/** Throws a refusal unless the certificate may sign code and nothing but that is asked of it. */
export function checkLeaf(leaf: Certificate): void {
  if (findExtension(leaf, POISON_OID) !== undefined) {
    throw refused('this is a precertificate: it carries the poison and may never be accepted');
  }
  if (basicConstraints(leaf)?.ca === true) throw refused('this is the certificate of a CA, not of a signer');
  checkCritical(leaf, LEAF_KNOWS, 'the certificate');
  if (keyUsage(leaf)?.has(KeyUsage.digitalSignature) !== true) {
    throw refused('the key usage of the certificate does not allow signatures');
  }
  if (extendedKeyUsage(leaf)?.has(CODE_SIGNING) !== true) {
    throw refused('the extended key usage of the certificate does not say code signing');
  }
}

/** What a chain is for. */
export interface Purpose {
  /** Dotted object identifier of the extended key usage. */
  readonly usage: string;
  /** The same in words. */
  readonly words: string;
}

/** The purpose of the chains of certificates that sign code. */
export const FOR_CODE_SIGNING: Purpose = { usage: CODE_SIGNING, words: 'code signing' };

/** Throws a refusal unless the certificate was a CA for that purpose at `time` with `below` CAs between it and the
 * leaf. */
export function checkAuthority(
  authority: Certificate,
  below: number,
  time: number,
  { usage, words }: Purpose = FOR_CODE_SIGNING,
): void {
  const who = (): string => `the CA "${describeName(authority.subject)}"`;
  checkValidity(authority, time, who);
  const constraints = basicConstraints(authority);
  if (constraints?.ca !== true) throw refused(`${who()} is no CA: its BasicConstraints do not say so`);
  if (!constraints.critical) throw refused(`${who()} does not mark its BasicConstraints as critical`);
  if (constraints.pathLength !== undefined && below > constraints.pathLength) {
    throw refused(`${who()} allows ${constraints.pathLength} CAs below it, here are ${below}`);
  }
  if (keyUsage(authority)?.has(KeyUsage.keyCertSign) !== true) {
    throw refused(`the key usage of ${who()} does not allow it to sign certificates`);
  }
  const usages = extendedKeyUsage(authority);
  if (usages !== undefined && !usages.has(usage) && !usages.has(ANY_USAGE)) {
    throw refused(`the extended key usage of ${who()} does not allow ${words} below it`);
  }
  if (findExtension(authority, EXTENSION.nameConstraints) !== undefined) {
    throw refused(`${who()} has name constraints, which this verifier cannot judge`);
  }
  checkCritical(authority, AUTHORITY_KNOWS, who);
}

/** Throws a refusal unless `time` (milliseconds) lies within the certificate's validity. */
export function checkValidity(certificate: Certificate, time: number, who: string | (() => string)): void {
  const { notBefore, notAfter } = certificate;
  if (time < notBefore)
    throw refused(`${nameOf(who)} is valid from ${rfc3339(notBefore)}, not yet at ${rfc3339(time)}`);
  if (time > notAfter) {
    throw refused(`${nameOf(who)} was valid until ${rfc3339(notAfter)}, no longer at ${rfc3339(time)}`);
  }
}

/** Throws a refusal for a critical extension that is not in `known`. */
export function checkCritical(
  certificate: Certificate,
  known: ReadonlySet<string>,
  who: string | (() => string),
): void {
  const unknown = certificate.extensions.find(({ critical, oid }) => critical && !known.has(oid));
  if (unknown !== undefined)
    throw refused(`${nameOf(who)} has the unknown critical extension ${unknown.oid}`);
}

/** Reading a name takes longer than most checks, and only refusals have it. */
const nameOf = (who: string | (() => string)): string => (typeof who === 'string' ? who : who());
