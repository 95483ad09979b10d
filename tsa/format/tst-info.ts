/** TSTInfo: what a timestamp says (RFC 3161 §2.4.2). */
import { utf8Text } from '../../core/bytes.ts';
import { parseRfc3339 } from '../../core/clock.ts';
import { booleanValue, DerReader, oidText, readOnly, unsignedMagnitude } from '../../core/der-reader.ts';
import { contextTag, Tag } from '../../core/der-tag.ts';
import { FormatError } from '../../core/errors.ts';
import { hashOf } from './algorithms.ts';
import { IMPRINT_HASHES, type ImprintHash } from './object-identifiers.ts';

/** The digest of what was timestamped. */
export interface MessageImprint {
  readonly hash: ImprintHash;
  readonly digest: Uint8Array;
}

/** What a timestamp says. Byte strings are views into the token. */
export interface TstInfo {
  /** Dotted object identifier. */
  readonly policy: string;
  readonly imprint: MessageImprint;
  /** Content of the INTEGER; some authorities have negative ones. */
  readonly serial: Uint8Array;
  /** Milliseconds since the epoch; fractions of a millisecond are cut off. */
  readonly time: number;
  /** Content of the INTEGER. */
  readonly nonce: Uint8Array | undefined;
  /** DER GeneralName: how the authority calls itself, if it does. */
  readonly authority: Uint8Array | undefined;
}

/** The one TSTInfo that `der` holds. Throws {@link FormatError}. */
export function parseTstInfo(der: Uint8Array): TstInfo {
  const reader = new DerReader(readOnly(der, Tag.sequence).value);
  if (!isOne(reader.next(Tag.integer).value))
    throw new FormatError('UNSUPPORTED', 'the timestamp has an unknown version');
  const policy = oidText(reader.next(Tag.oid).value);
  const imprint = readImprint(reader.enter(Tag.sequence));
  const serial = shortInteger(reader.next(Tag.integer).value, 'serial number');
  const time = readGeneralizedTime(reader.next(Tag.generalizedTime).value);
  readAccuracy(reader.optional(Tag.sequence)?.value);
  const ordering = reader.optional(Tag.boolean);
  if (ordering !== undefined && !booleanValue(ordering.value))
    throw new FormatError('MALFORMED', 'the timestamp spells out a default');
  const nonce = reader.optional(Tag.integer)?.value;
  const named = reader.optional(contextTag(0, true))?.value;
  refuseCritical(reader.optional(contextTag(1, true))?.value);
  reader.end();
  return {
    policy,
    imprint,
    serial,
    time,
    nonce: nonce === undefined ? undefined : shortInteger(nonce, 'nonce'),
    authority: named === undefined ? undefined : readGeneralName(named),
  };
}

const isOne = (content: Uint8Array): boolean => content.length === 1 && content[0] === 1;

/** More than any authority or client makes. */
const INTEGER_LIMIT = 65;

function shortInteger(content: Uint8Array, what: string): Uint8Array {
  const [first, second = 0] = content;
  const isMinimal =
    content.length === 1 || (first !== 0 && first !== 0xff) || (first === 0) === second >= 0x80;
  if (first === undefined || !isMinimal) throw new FormatError('MALFORMED', `the ${what} is malformed`);
  if (content.length > INTEGER_LIMIT) throw new FormatError('TOO_LARGE', `the ${what} is too long`);
  return content;
}

function readImprint(reader: DerReader): MessageImprint {
  const hash = hashOf(reader.next(Tag.sequence));
  const digest = reader.next(Tag.octetString).value;
  reader.end();
  if (digest.length !== IMPRINT_HASHES[hash].size)
    throw new FormatError('MALFORMED', `the digest in the timestamp is not as long as ${hash} makes one`);
  return { hash, digest };
}

/** Whole seconds, or with a fraction that does not end with a zero (RFC 3161 §2.4.2). */
const GENERALIZED_TIME = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d{0,11}[1-9]))?Z$/;

function readGeneralizedTime(content: Uint8Array): number {
  const [, year, month, day, hour, minute, second, fraction = ''] =
    GENERALIZED_TIME.exec(utf8Text(content)) ?? [];
  const ms =
    year === undefined
      ? undefined
      : parseRfc3339(`${year}-${month ?? ''}-${day ?? ''}T${hour ?? ''}:${minute ?? ''}:${second ?? ''}Z`);
  if (ms === undefined) throw new FormatError('MALFORMED', 'the time in the timestamp is malformed');
  return ms + Number(fraction.padEnd(3, '0').slice(0, 3));
}

/** Says how far the time may be off. Windows and certificates are held against the time itself, as all verifiers do. */
function readAccuracy(content: Uint8Array | undefined): void {
  if (content === undefined) return;
  const reader = new DerReader(content);
  for (const tag of [Tag.integer, contextTag(0), contextTag(1)]) {
    const part = reader.optional(tag);
    if (part !== undefined && unsignedMagnitude(part.value).length > 4)
      throw new FormatError('TOO_LARGE', 'the accuracy of the timestamp is out of range');
  }
  reader.end();
}

/** Names that consist of others: otherName, x400Address, directoryName, ediPartyName; all up to registeredID are known (RFC 5280 §4.2.1.6). */
const CONSTRUCTED_NAMES = [0, 3, 4, 5];
const NAME_TAGS: ReadonlySet<number> = new Set(
  Array.from({ length: 9 }, (_, kind) => contextTag(kind, CONSTRUCTED_NAMES.includes(kind))),
);

function readGeneralName(content: Uint8Array): Uint8Array {
  const reader = new DerReader(content);
  const { tag, value, raw } = reader.next();
  reader.end();
  if (!NAME_TAGS.has(tag))
    throw new FormatError('MALFORMED', 'the name of the authority in the timestamp is malformed');
  if (tag === contextTag(4, true)) readOnly(value, Tag.sequence);
  return raw;
}

function refuseCritical(extensions: Uint8Array | undefined): void {
  if (extensions === undefined) return;
  const reader = new DerReader(extensions);
  while (!reader.done) {
    const extension = reader.enter(Tag.sequence);
    const name = oidText(extension.next(Tag.oid).value);
    const critical = extension.optional(Tag.boolean);
    extension.next(Tag.octetString);
    extension.end();
    if (critical !== undefined && booleanValue(critical.value))
      throw new FormatError('UNSUPPORTED', `the timestamp has the unknown critical extension ${name}`);
  }
}
