/**
 * Log entries (RFC 6962 §3.4; c2sp.org/static-ct-api "Log Entries"):
 *
 *     MerkleTreeLeaf   = 00 00 ‖ TimestampedEntry            also the bytes that an SCT signs
 *     TimestampedEntry = timestamp u64 ‖ type u16 ‖ signed_entry ‖ v16(extensions)
 *     signed_entry     = v24(certificate)                    type 0, x509
 *                      | issuer_key_hash 32 ‖ v24(TBS)       type 1, precert
 *     TileLeaf         = TimestampedEntry ‖ [precert only: v24(precertificate)] ‖ v16(fingerprints)
 */
import { concat } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import { TlsReader, uint, vector, writeUint64, writeVector } from '../../core/tls.ts';

/** What a CA hands in to be logged. */
export interface PrecertificateEntry {
  /** SHA-256 of the SubjectPublicKeyInfo of the issuing CA, 32 bytes. */
  readonly issuerKeyHash: Uint8Array;
  /** DER TBSCertificate without the poison. */
  readonly tbs: Uint8Array;
  /** DER precertificate, poison and all. */
  readonly precertificate: Uint8Array;
  /** SHA-256 of each certificate above the leaf, issuing CA first, n × 32 bytes. */
  readonly chainFingerprints: Uint8Array;
}

/** A certificate that is logged as it is (RFC 6962 §3.1, `x509_entry`). */
export interface X509Entry {
  /** DER. */
  readonly certificate: Uint8Array;
  /** SHA-256 of each certificate above it, its issuer first, n × 32 bytes. */
  readonly chainFingerprints: Uint8Array;
}

/** What a log takes. */
export type CtLogEntry = PrecertificateEntry | X509Entry;

/** An entry as the log keeps it: views into one buffer, which is the entry's own. */
interface EncodedEntry {
  /** MerkleTreeLeaf; also what the SCT signs. */
  readonly leaf: Uint8Array;
  /** TileLeaf, for the data tile. */
  readonly tileLeaf: Uint8Array;
  /** 00 ‖ MerkleTreeLeaf: its SHA-256 is the leaf hash, so that nobody copies the leaf to hash it. */
  readonly hashInput: Uint8Array;
}

/** The part of an entry that the log signs and hashes, beside its time and its extensions: what makes two submissions the same one. */
export type SignedEntry =
  | { readonly type: 'x509'; readonly certificate: Uint8Array }
  | { readonly type: 'precert'; readonly issuerKeyHash: Uint8Array; readonly tbs: Uint8Array };

/** What a MerkleTreeLeaf says. */
interface Leaf {
  readonly entry: SignedEntry;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
  /** CtExtensions without their length. */
  readonly extensions: Uint8Array;
}

/** What a TileLeaf says. */
export interface TileLeaf extends Leaf {
  /** The DER precertificate; undefined for an x509 entry. */
  readonly precertificate: Uint8Array | undefined;
  /** n × 32 bytes. */
  readonly chainFingerprints: Uint8Array;
  /** MerkleTreeLeaf of the same entry. */
  readonly leaf: Uint8Array;
  /** Offset of the first byte behind the entry. */
  readonly next: number;
}

const V16 = 0x10000;
const V24 = 0x1000000;
const TYPES = { x509: 0, precert: 1 } as const;

/** Encodes an entry with one allocation: this runs for every certificate. `timestampMs` is the SCT's time,
 * `extensions` the CtExtensions without their length. Throws {@link FormatError} when a part does not fit. */
export function encodeEntry(
  entry: PrecertificateEntry,
  timestampMs: number,
  extensions: Uint8Array,
): EncodedEntry {
  const { precertificate, chainFingerprints } = entry;
  checkLeafParts(entry, timestampMs, extensions);
  checkEvidence(entry);
  const hashed = hashInputLength(entry, extensions);
  const out = new Uint8Array(hashed + 3 + precertificate.length + 2 + chainFingerprints.length);
  writeHashInput(out, entry, timestampMs, extensions);
  const at = writeVector(out, hashed, 3, precertificate);
  writeVector(out, at, 2, chainFingerprints);
  return { leaf: out.subarray(1, hashed), tileLeaf: out.subarray(3), hashInput: out.subarray(0, hashed) };
}

/** What a log hashes and signs of a precertificate. */
type SignedPrecertificate = Pick<PrecertificateEntry, 'issuerKeyHash' | 'tbs'>;

/** The `hashInput` of {@link encodeEntry} alone. Throws {@link FormatError} when a part does not fit. */
export function encodeHashInput(
  entry: SignedPrecertificate,
  timestampMs: number,
  extensions: Uint8Array,
): Uint8Array {
  checkLeafParts(entry, timestampMs, extensions);
  const out = new Uint8Array(hashInputLength(entry, extensions));
  writeHashInput(out, entry, timestampMs, extensions);
  return out;
}

const hashInputLength = ({ tbs }: SignedPrecertificate, extensions: Uint8Array): number =>
  1 + 2 + 8 + 2 + 32 + 3 + tbs.length + 2 + extensions.length;

function writeHashInput(
  out: Uint8Array,
  { issuerKeyHash, tbs }: SignedPrecertificate,
  timestampMs: number,
  extensions: Uint8Array,
): void {
  const at = writeUint64(out, 3, timestampMs);
  out[at + 1] = TYPES.precert;
  out.set(issuerKeyHash, at + 2);
  writeVector(out, writeVector(out, at + 34, 3, tbs), 2, extensions);
}

/** {@link encodeEntry} of a certificate that is logged as it is. */
export function encodeX509Entry(
  { certificate, chainFingerprints }: X509Entry,
  timestampMs: number,
  extensions: Uint8Array,
): EncodedEntry {
  if (chainFingerprints.length % 32 !== 0)
    throw new FormatError('MALFORMED', 'a hash of a log entry does not have 32 bytes');
  if (certificate.length === 0 || certificate.length >= V24)
    throw new FormatError('TOO_LARGE', 'a certificate is empty or too large for a log entry');
  const leaf = encodeLeaf({ entry: { type: 'x509', certificate }, timestamp: timestampMs, extensions });
  const out = concat([Uint8Array.of(0), leaf, vector(2, chainFingerprints)]);
  const hashInput = out.subarray(0, 1 + leaf.length);
  return { leaf: out.subarray(1, 1 + leaf.length), tileLeaf: out.subarray(3), hashInput };
}

/** The bytes of a leaf that are its {@link SignedEntry}: its type, and what is signed of that type. */
export const signedEntryIn = ({
  leaf,
  extensions,
}: {
  readonly leaf: Uint8Array;
  readonly extensions: Uint8Array;
}): Uint8Array => leaf.subarray(SIGNED_ENTRY, leaf.length - 2 - extensions.length);

/** The same bytes of an entry that is in no log yet. Throws {@link FormatError} when a part does not fit. */
export function signedEntryOf(entry: CtLogEntry): Uint8Array {
  const extensions = new Uint8Array();
  const signed: SignedEntry =
    'certificate' in entry
      ? { type: 'x509', certificate: entry.certificate }
      : { type: 'precert', issuerKeyHash: entry.issuerKeyHash, tbs: entry.tbs };
  return signedEntryIn({ leaf: encodeLeaf({ entry: signed, timestamp: 0, extensions }), extensions });
}

/** Offset in a leaf: behind version, type and time. */
const SIGNED_ENTRY = 10;

function checkLeafParts(
  { issuerKeyHash, tbs }: SignedPrecertificate,
  timestampMs: number,
  extensions: Uint8Array,
): void {
  if (issuerKeyHash.length !== 32) throw notHashes();
  checkCertificate(tbs);
  if (extensions.length >= V16) throw tooLong();
  if (!Number.isSafeInteger(timestampMs) || timestampMs < 0) {
    throw new FormatError('MALFORMED', 'the time of a log entry is not a whole number of milliseconds');
  }
}

/** Of what is in the log beside the leaf. */
function checkEvidence({ precertificate, chainFingerprints }: PrecertificateEntry): void {
  if (chainFingerprints.length % 32 !== 0) throw notHashes();
  checkCertificate(precertificate);
  if (chainFingerprints.length >= V16) throw tooLong();
}

function checkCertificate(der: Uint8Array): void {
  if (der.length === 0) throw new FormatError('MALFORMED', 'a log entry lacks its certificate');
  if (der.length >= V24) throw new FormatError('TOO_LARGE', 'a certificate is too large for a log entry');
}

const notHashes = (): FormatError =>
  new FormatError('MALFORMED', 'a hash of a log entry does not have 32 bytes');

const tooLong = (): FormatError =>
  new FormatError('TOO_LARGE', 'the extensions or the chain are too large for a log entry');

/** MerkleTreeLeaf of either kind of entry; throws {@link FormatError} when a part does not fit. */
export function encodeLeaf({ entry, timestamp, extensions }: Leaf): Uint8Array {
  const signed =
    entry.type === 'x509'
      ? vector(3, entry.certificate)
      : concat([entry.issuerKeyHash, vector(3, entry.tbs)]);
  const head = concat([uint(2, 0), uint(8, timestamp), uint(2, TYPES[entry.type])]);
  return concat([head, signed, vector(2, extensions)]);
}

/** Reads a MerkleTreeLeaf; throws {@link FormatError} unless `bytes` is exactly one. */
export function parseLeaf(bytes: Uint8Array): Leaf {
  const reader = new TlsReader(bytes);
  if (reader.uint(2) !== 0)
    throw new FormatError('UNSUPPORTED', 'a log leaf is of an unknown version or type');
  const leaf = readTimestampedEntry(reader);
  reader.end();
  return leaf;
}

/** Reads the TileLeaf that starts at `offset` of a data tile; throws {@link FormatError}. */
export function parseTileLeaf(bytes: Uint8Array, offset = 0): TileLeaf {
  const tail = bytes.subarray(offset);
  const reader = new TlsReader(tail);
  const fields = readTimestampedEntry(reader);
  const leaf = new Uint8Array(2 + reader.offset);
  leaf.set(tail.subarray(0, reader.offset), 2);
  const precertificate = fields.entry.type === 'precert' ? certificate(reader) : undefined;
  const chainFingerprints = reader.vector(2);
  if (chainFingerprints.length % 32 !== 0) {
    throw new FormatError('MALFORMED', 'the chain of a log entry is not a list of SHA-256 hashes');
  }
  return { ...fields, precertificate, chainFingerprints, leaf, next: offset + reader.offset };
}

function readTimestampedEntry(reader: TlsReader): Leaf {
  const timestamp = reader.uint64();
  const entry = readSignedEntry(reader, reader.uint(2));
  return { entry, timestamp, extensions: reader.vector(2) };
}

function readSignedEntry(reader: TlsReader, type: number): SignedEntry {
  if (type === TYPES.x509) return { type: 'x509', certificate: certificate(reader) };
  if (type !== TYPES.precert) throw new FormatError('UNSUPPORTED', 'a log entry is of an unknown type');
  return { type: 'precert', issuerKeyHash: reader.take(32), tbs: certificate(reader) };
}

function certificate(reader: TlsReader): Uint8Array {
  const der = reader.vector(3);
  if (der.length === 0) throw new FormatError('MALFORMED', 'a log entry holds an empty certificate');
  return der;
}
