/**
 * The one name in the subject alternative name of a certificate (RFC 5280 §4.2.1.6): an rfc822Name, a URI, or
 * Fulcio's otherName 1.3.6.1.4.1.57264.1.7 for user names.
 */
import { DerReader, oidText } from './der-reader.ts';
import { contextTag, Tag } from './der-tag.ts';
import { explicit, oid, sequence, tlv, utf8String } from './der-writer.ts';
import { utf8, utf8Text } from './bytes.ts';
import { FormatError } from './errors.ts';

/** An identity as a certificate carries it. `value` of a username is `name!domain`. */
export interface SubjectAltName {
  readonly type: 'email' | 'uri' | 'username';
  readonly value: string;
}

const OTHER_NAME_OID = '1.3.6.1.4.1.57264.1.7';
const EMAIL_TAG = contextTag(1);
const URI_TAG = contextTag(6);
const OTHER_NAME_TAG = contextTag(0, true);

// eslint-disable-next-line no-control-regex -- IA5String is exactly this range
const IA5 = /^[\x00-\x7f]*$/;

/** DER GeneralNames with that one name; throws {@link FormatError} when an e-mail or URI is not ASCII (IA5String). */
export function encodeSubjectAltName(name: SubjectAltName): Uint8Array {
  if (name.type === 'username') {
    return sequence(tlv(OTHER_NAME_TAG, oid(OTHER_NAME_OID), explicit(0, utf8String(name.value))));
  }
  if (!IA5.test(name.value)) {
    throw new FormatError('UNSUPPORTED', `a name of type ${name.type} in a certificate must be ASCII`);
  }
  return sequence(tlv(name.type === 'email' ? EMAIL_TAG : URI_TAG, utf8(name.value)));
}

/** The names of DER GeneralNames that Fulcio knows; others are skipped. Throws {@link FormatError}. */
export function decodeSubjectAltNames(der: Uint8Array): SubjectAltName[] {
  const outer = new DerReader(der);
  const names = outer.enter(Tag.sequence);
  outer.end();
  const out: SubjectAltName[] = [];
  while (!names.done) {
    const { tag, value } = names.next();
    if (tag === EMAIL_TAG) out.push({ type: 'email', value: ia5Text(value) });
    if (tag === URI_TAG) out.push({ type: 'uri', value: ia5Text(value) });
    if (tag === OTHER_NAME_TAG) {
      const other = new DerReader(value);
      if (oidText(other.next(Tag.oid).value) !== OTHER_NAME_OID) continue;
      const wrapped = other.enter(OTHER_NAME_TAG);
      out.push({ type: 'username', value: utf8Text(wrapped.next(Tag.utf8String).value) });
      wrapped.end();
      other.end();
    }
  }
  return out;
}

function ia5Text(value: Uint8Array): string {
  const text = utf8Text(value);
  if (!IA5.test(text)) throw new FormatError('MALFORMED', 'a name of type IA5String is not ASCII');
  return text;
}
