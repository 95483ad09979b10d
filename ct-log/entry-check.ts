/**
 * Checks of one entry that need nothing but the entry and its chain certificates. A data tile says much twice (the leaf's TBS is
 * the precertificate's without the poison, the index is its place, the issuer's key hash is that of the chain), and
 * the Merkle tree covers only the leaf, so this finds what no hash would, and where.
 */
import { createPublicKey, verify, type KeyObject } from 'node:crypto';
import { equalBytes, firstDifference } from '../core/bytes.ts';
import { parseCertificate } from '../core/certificate.ts';
import { FormatError } from '../core/errors.ts';
import { parsePublicKey } from '../core/public-key.ts';
import type { TileLeaf } from './format/leaf.ts';
import { leafIndexExtension } from './format/leaf-index.ts';
import type { SctExtensions } from './log-identity.ts';
import { loggedTbs } from './logged-tbs.ts';
import { sha256 } from '../tlog/core/sha256.ts';

/** What is wrong with an entry, and at which byte of its TileLeaf. */
export interface EntryFault {
  readonly offset: number;
  readonly message: string;
}

/** The key of an entry's issuing CA. */
export interface CaKey {
  /** SHA-256 of its SubjectPublicKeyInfo. */
  readonly keyHash: Uint8Array;
  readonly key: KeyObject;
}

/** Reads the key of a chain certificate for {@link entryFault}; throws FormatError when it is no certificate with a usable key. */
export function readCaKey(der: Uint8Array): CaKey {
  const { spki } = parseCertificate(der);
  try {
    // Refuses what OpenSSL may take: Ed25519 points with which anybody can sign.
    parsePublicKey(spki);
    return {
      keyHash: sha256(spki),
      key: createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' }),
    };
  } catch {
    throw new FormatError('UNSUPPORTED', 'the key of a chain certificate cannot be read');
  }
}

/** What the entry at `index` is held to. */
export interface EntryExpectation {
  readonly index: number;
  /** Undefined when it is not known which kind of log this is. */
  readonly sctExtensions: SctExtensions | undefined;
  /** Of the first certificate of the entry's chain; undefined when the chain is empty. */
  readonly caKey: CaKey | undefined;
  /** Whether the tree vouches for the leaf: then of two copies that differ, the other one is wrong. */
  readonly leafHolds: boolean;
}

/** Offsets of the parts of a precertificate's TileLeaf (RFC 6962 §3.4). */
const ISSUER_KEY_HASH = 10;
const TBS = 45;

/** The first fault of an entry, in the order of its bytes; undefined when it is sound. */
export function entryFault(entry: TileLeaf, expected: EntryExpectation): EntryFault | undefined {
  const { entry: signed, precertificate } = entry;
  if (signed.type === 'x509') return extensionFault(entry, 10 + 3 + signed.certificate.length + 2, expected);
  if (precertificate === undefined) return undefined;
  const afterTbs = TBS + signed.tbs.length;
  const precertificateAt = afterTbs + 2 + entry.extensions.length + 3;
  return (
    keyHashFault(signed.issuerKeyHash, expected.caKey) ??
    tbsFault(signed.tbs, precertificate, precertificateAt, expected.leafHolds) ??
    extensionFault(entry, afterTbs + 2, expected) ??
    signatureFault(precertificate, precertificateAt, expected.caKey)
  );
}

function keyHashFault(hash: Uint8Array, ca: CaKey | undefined): EntryFault | undefined {
  if (ca === undefined || equalBytes(hash, ca.keyHash)) return undefined;
  const offset = ISSUER_KEY_HASH + firstDifference(hash, ca.keyHash);
  return { offset, message: "the issuer's key hash is not that of its chain" };
}

function tbsFault(
  tbs: Uint8Array,
  precertificate: Uint8Array,
  at: number,
  leafHolds: boolean,
): EntryFault | undefined {
  let logged: Uint8Array;
  let inside: number;
  try {
    logged = loggedTbs(precertificate);
    inside = parseCertificate(precertificate).tbs.byteOffset - precertificate.byteOffset;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { offset: at, message: `the precertificate is damaged (${error.message})` };
  }
  if (equalBytes(tbs, logged)) return undefined;
  // The poison is the last extension and no length field changes its width, so both copies run side by side.
  const difference = firstDifference(tbs, logged);
  return leafHolds
    ? { offset: at + inside + difference, message: 'the precertificate is not the one that was logged' }
    : { offset: TBS + difference, message: 'the TBSCertificate is not that of the precertificate' };
}

function extensionFault(entry: TileLeaf, at: number, expected: EntryExpectation): EntryFault | undefined {
  // A log writes the index into all of its entries or into none.
  if (expected.sctExtensions === undefined && entry.extensions.length === 0) return undefined;
  const wanted = expected.sctExtensions === 'none' ? new Uint8Array() : leafIndexExtension(expected.index);
  if (equalBytes(entry.extensions, wanted)) return undefined;
  const offset = at + firstDifference(entry.extensions, wanted);
  return { offset, message: `the extension does not say index ${expected.index}` };
}

function signatureFault(
  precertificate: Uint8Array,
  at: number,
  ca: CaKey | undefined,
): EntryFault | undefined {
  if (ca === undefined) return undefined;
  const { tbs, signature, signatureAlgorithm } = parseCertificate(precertificate);
  const hash = HASHES.get(signatureAlgorithm);
  if (hash !== undefined && verify(hash, tbs, ca.key, signature)) return undefined;
  return { offset: at, message: "the precertificate's signature does not hold" };
}

/** Signature algorithm → hash, for the keys that a CA may have here (RFC 5758, RFC 8017, RFC 8410). */
const HASHES: ReadonlyMap<string, string | null> = new Map([
  ['1.2.840.10045.4.3.2', 'sha256'],
  ['1.2.840.10045.4.3.3', 'sha384'],
  ['1.2.840.10045.4.3.4', 'sha512'],
  ['1.2.840.113549.1.1.11', 'sha256'],
  ['1.2.840.113549.1.1.12', 'sha384'],
  ['1.2.840.113549.1.1.13', 'sha512'],
  ['1.3.101.112', null],
]);
