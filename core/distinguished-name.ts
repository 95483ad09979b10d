/** Distinguished names (RFC 5280 §4.1.2.4) as text for people. Names are compared as bytes, never as this text. */
import { toHex, utf8Text } from './bytes.ts';
import { DerReader, oidText, type Tlv } from './der-reader.ts';
import { Tag } from './der-tag.ts';
import { FormatError } from './errors.ts';
import { printable } from './printable.ts';

/** One attribute of a name. */
interface NameAttribute {
  /** Dotted text. */
  readonly oid: string;
  /** The usual short name (`CN`), or the dotted text where there is none. */
  readonly label: string;
  /** The value as text; `#` and hexadecimal DER for a type that is no string. */
  readonly value: string;
}

const LABELS: ReadonlyMap<string, string> = new Map([
  ['2.5.4.3', 'CN'],
  ['2.5.4.5', 'serialNumber'],
  ['2.5.4.6', 'C'],
  ['2.5.4.7', 'L'],
  ['2.5.4.8', 'ST'],
  ['2.5.4.9', 'street'],
  ['2.5.4.10', 'O'],
  ['2.5.4.11', 'OU'],
  ['2.5.4.17', 'postalCode'],
  ['1.2.840.113549.1.9.1', 'emailAddress'],
  ['0.9.2342.19200300.100.1.1', 'UID'],
  ['0.9.2342.19200300.100.1.25', 'DC'],
]);

const singleOctets = (value: Uint8Array): string =>
  Array.from(value, (byte) => String.fromCharCode(byte)).join('');

function doubleOctets(value: Uint8Array): string {
  if (value.length % 2 !== 0) throw new FormatError('MALFORMED', 'a BMPString has an odd length');
  let out = '';
  for (let i = 0; i < value.length; i += 2) {
    out += String.fromCharCode((value[i] ?? 0) * 256 + (value[i + 1] ?? 0));
  }
  return out;
}

const TELETEX_STRING = 0x14;
const BMP_STRING = 0x1e;
const STRING_TYPES: ReadonlyMap<number, (value: Uint8Array) => string> = new Map([
  [Tag.utf8String, utf8Text],
  [Tag.printableString, utf8Text],
  [Tag.ia5String, utf8Text],
  [TELETEX_STRING, singleOctets],
  [BMP_STRING, doubleOctets],
]);

/** The attributes of a DER Name in their order; throws {@link FormatError}. */
function nameAttributes(der: Uint8Array): NameAttribute[] {
  const outer = new DerReader(der);
  const names = outer.enter(Tag.sequence);
  outer.end();
  const out: NameAttribute[] = [];
  while (!names.done) {
    const relative = names.enter(Tag.set);
    const before = out.length;
    while (!relative.done) out.push(readAttribute(relative.enter(Tag.sequence)));
    if (out.length === before) throw new FormatError('MALFORMED', 'a relative distinguished name is empty');
  }
  return out;
}

/** `CN=Example, O=Example Org`: the most specific attribute first, as RFC 4514 writes names; special and control
 * characters are escaped, so that the text is safe on a terminal; what is longer than any honest name is cut. Empty for an
 * empty name. Throws {@link FormatError}. */
export function describeName(der: Uint8Array): string {
  const attributes = nameAttributes(der).reverse();
  const shown = attributes
    .slice(0, MAX_SHOWN)
    .map(({ label, value }) => `${label}=${escapeValue(cut(value))}`);
  const more = attributes.length - shown.length;
  return [...shown, ...(more > 0 ? [`… (${more} more)`] : [])].join(', ');
}

/** The first value of the attribute with this usual short name, such as `O`, as it stands in the name; undefined where there is none. Throws
 * {@link FormatError}. */
export const nameValue = (der: Uint8Array, label: string): string | undefined =>
  nameAttributes(der).find((attribute) => attribute.label === label)?.value;

/** Attributes that are shown of a name, and characters of each: a certificate may hold any number. */
const MAX_SHOWN = 32;
const MAX_LENGTH = 512;
const cut = (value: string): string => (value.length > MAX_LENGTH ? `${value.slice(0, MAX_LENGTH)}…` : value);

function readAttribute(attribute: DerReader): NameAttribute {
  const oid = oidText(attribute.next(Tag.oid).value);
  const value = attribute.next();
  attribute.end();
  return { oid, label: LABELS.get(oid) ?? oid, value: attributeText(value) };
}

const attributeText = ({ tag, value, raw }: Tlv): string =>
  STRING_TYPES.get(tag)?.(value) ?? `#${toHex(raw)}`;

const escapeValue = (value: string): string => printable(value.replace(/[\\",+;<>=]/g, '\\$&'));
