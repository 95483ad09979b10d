/**
 * Whom a certificate names, for search: every subject alternative name that Rekor finds entries by, and Fulcio's issuer. Read leniently: a name that cannot
 * be read is left out, because an entry with a strange certificate must still be found by what else it says.
 */
import { findExtension, type Certificate } from './certificate.ts';
import { DerReader, oidText } from './der-reader.ts';
import { contextTag, Tag } from './der-tag.ts';
import { utf8Text } from './bytes.ts';
import { FormatError } from './errors.ts';
import { FULCIO_ARC, FULCIO_EXTENSIONS } from './fulcio-extensions.ts';

const SUBJECT_ALT_NAME = '2.5.29.17';
const FULCIO_OTHER_NAME = `${FULCIO_ARC}.7`;

type NameReader = (value: Uint8Array) => string | undefined;

/** Tag in GeneralNames → how its text is read. */
const NAME_READERS: ReadonlyMap<number, NameReader> = new Map<number, NameReader>([
  [contextTag(0, true), otherName],
  [contextTag(1), utf8Text],
  [contextTag(2), utf8Text],
  [contextTag(6), utf8Text],
  [contextTag(7), addressText],
]);

/** Names of a certificate that are read. Those of a CA for signing have one, and reading a certificate with thousands takes milliseconds. */
export const MAX_CERTIFICATE_NAMES = 64;

/** E-mail addresses, URIs, DNS names, IP addresses and Fulcio's user names of a certificate, in its order, as Go writes them: the first {@link MAX_CERTIFICATE_NAMES}. */
export function certificateNames(certificate: Pick<Certificate, 'extensions'>): string[] {
  const extension = findExtension(certificate, SUBJECT_ALT_NAME);
  const out: string[] = [];
  lenient(() => {
    const names = extension && new DerReader(extension.value).enter(Tag.sequence);
    while (names?.done === false && out.length < MAX_CERTIFICATE_NAMES) {
      const { tag, value } = names.next();
      const text = lenient(() => NAME_READERS.get(tag)?.(value));
      if (text !== undefined && text !== '') out.push(text);
    }
  });
  return out;
}

/** Whether it has names that {@link certificateNames} leaves out. */
export function hasUnreadNames(certificate: Pick<Certificate, 'extensions'>): boolean {
  const extension = findExtension(certificate, SUBJECT_ALT_NAME);
  let count = 0;
  lenient(() => {
    const names = extension && new DerReader(extension.value).enter(Tag.sequence);
    for (; names?.done === false && count <= MAX_CERTIFICATE_NAMES; count++) names.next();
  });
  return count > MAX_CERTIFICATE_NAMES;
}

/** The issuers of identities that a certificate names, in both of Fulcio's forms: one, unless the two differ. */
export function certificateIssuers(certificate: Pick<Certificate, 'extensions'>): string[] {
  const values = certificateExtensions(certificate);
  return [...new Set([values.get(1), values.get(8)].filter((text): text is string => text !== undefined))];
}

/** Values of Fulcio's extensions by number, without those that are empty. */
export function certificateExtensions(
  certificate: Pick<Certificate, 'extensions'>,
): ReadonlyMap<number, string> {
  const values = new Map<number, string>();
  for (const { number, encoding } of FULCIO_EXTENSIONS) {
    const value = findExtension(certificate, `${FULCIO_ARC}.${number}`)?.value;
    const text = value && lenient(() => extensionText(value, encoding === 'raw'));
    if (text !== undefined && text !== '') values.set(number, text);
  }
  return values;
}

const extensionText = (value: Uint8Array, isRaw: boolean): string =>
  utf8Text(isRaw ? value : new DerReader(value).next(Tag.utf8String).value);

function lenient<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

function otherName(value: Uint8Array): string | undefined {
  const reader = new DerReader(value);
  if (oidText(reader.next(Tag.oid).value) !== FULCIO_OTHER_NAME) return undefined;
  return utf8Text(reader.enter(contextTag(0, true)).next(Tag.utf8String).value);
}

const IPV4_IN_IPV6 = '0:0:0:0:0:ffff:';

/** An address as Go's `net.IP` writes it: RFC 5952, and an IPv4 address in IPv6 as that. */
function addressText(value: Uint8Array): string | undefined {
  if (value.length === 4) return value.join('.');
  if (value.length !== 16) return undefined;
  const groups = Array.from({ length: 8 }, (_, i) =>
    ((value[2 * i] ?? 0) * 256 + (value[2 * i + 1] ?? 0)).toString(16),
  );
  const text = groups.join(':');
  if (text.startsWith(IPV4_IN_IPV6)) return value.subarray(12).join('.');
  return shortened(groups);
}

/** The first of the longest runs of two zeros or more becomes `::`. */
function shortened(groups: readonly string[]): string {
  let [start, length] = [0, 1];
  for (let at = 0; at < groups.length; at++) {
    let end = at;
    while (groups[end] === '0') end++;
    if (end - at > length) [start, length] = [at, end - at];
  }
  if (length === 1) return groups.join(':');
  return `${groups.slice(0, start).join(':')}::${groups.slice(start + length).join(':')}`;
}
