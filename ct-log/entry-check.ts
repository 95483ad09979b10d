/**
 * Checks of one entry that need nothing but the entry and its chain certificates. A data tile says much twice (the leaf's TBS is
 * the precertificate's without the poison, the index is its place, the issuer's key hash is that of the chain), and
 * the Merkle tree covers only the leaf, so this finds what no hash would, and where.
 */
import { createPublicKey, verify, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { equalBytes, firstDifference } from '../core/bytes.ts';
import { parseCertificate, parseTbsCertificate, type Certificate } from '../core/certificate.ts';
import { FormatError } from '../core/errors.ts';
import { parsePublicKey } from '../core/public-key.ts';
import type { TileLeaf } from './format/leaf.ts';
import { leafIndexExtension } from './format/leaf-index.ts';
import type { SctExtensions } from './log-identity.ts';
import { loggedTbsOf } from './logged-tbs.ts';
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
  /** The key that signed the entry's certificate or precertificate. */
  readonly key: KeyObject;
  /** The certificate of `key` where that is no CA's own but one for signing precertificates; `keyHash` is of the CA above it then. */
  readonly precertificateSigner?: Certificate | undefined;
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
/** The certificate of one that was logged as it is. */
const CERTIFICATE = 13;

/** The first fault of an entry, in the order of its bytes; undefined when it is sound. */
export const entryFault = (entry: TileLeaf, expected: EntryExpectation): EntryFault | undefined =>
  contentFault(entry, expected) ?? signatureFault(entry, expected.caKey);

/** {@link entryFault} but for the signature, which comes last. */
export function contentFault(entry: TileLeaf, expected: EntryExpectation): EntryFault | undefined {
  const { entry: signed, precertificate } = entry;
  if (signed.type === 'x509')
    return extensionFault(entry, CERTIFICATE + signed.certificate.length + 2, expected);
  if (precertificate === undefined) return undefined;
  const afterTbs = TBS + signed.tbs.length;
  return (
    keyHashFault(signed.issuerKeyHash, expected.caKey) ??
    tbsFault(signed.tbs, precertificate, precertificateAt(entry, signed.tbs), expected) ??
    extensionFault(entry, afterTbs + 2, expected)
  );
}

const precertificateAt = ({ extensions }: TileLeaf, tbs: Uint8Array): number =>
  TBS + tbs.length + 2 + extensions.length + 3;

function keyHashFault(hash: Uint8Array, ca: CaKey | undefined): EntryFault | undefined {
  if (ca === undefined || equalBytes(hash, ca.keyHash)) return undefined;
  const offset = ISSUER_KEY_HASH + firstDifference(hash, ca.keyHash);
  return { offset, message: "the issuer's key hash is not that of its chain" };
}

function tbsFault(
  tbs: Uint8Array,
  precertificate: Uint8Array,
  at: number,
  { caKey, leafHolds }: EntryExpectation,
): EntryFault | undefined {
  let logged: Uint8Array;
  let inside: number;
  try {
    const parsed = parseCertificate(precertificate);
    // Without the chain only the leaf says in whose name the precertificate was signed.
    const issuedAs = caKey === undefined ? parseTbsCertificate(tbs) : caKey.precertificateSigner;
    logged = loggedTbsOf(parsed, issuedAs);
    inside = parsed.tbs.byteOffset - precertificate.byteOffset;
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

function signatureFault(entry: TileLeaf, ca: CaKey | undefined): EntryFault | undefined {
  const signed = ca && signedPart(entry);
  if (ca === undefined || signed === undefined) return undefined;
  if ('message' in signed) return signed;
  const { tbs, signature, hash, offset } = signed;
  if (hash !== undefined && verify(hash, tbs, ca.key, signature)) return undefined;
  return { offset, message: NOT_SIGNED };
}

const verifyAside = promisify(verify);

/** The fault of an entry whose signature does not hold, when {@link contentFault} finds none. It takes longer than everything else, and so is looked for in the threads of the runtime's pool, several at
 * a time. Never rejects. */
export async function signatureFaultAside(
  entry: TileLeaf,
  ca: CaKey | undefined,
): Promise<EntryFault | undefined> {
  const signed = ca && signedPart(entry);
  if (ca === undefined || signed === undefined) return undefined;
  if ('message' in signed) return signed;
  const { tbs, signature, hash, offset } = signed;
  const holds = hash !== undefined && (await verifyAside(hash, tbs, ca.key, signature).catch(() => false));
  return holds ? undefined : { offset, message: NOT_SIGNED };
}

const NOT_SIGNED = "the precertificate's signature does not hold";

/** What a signature of an entry is over, and where the certificate begins. `hash` is undefined for an algorithm that is not known. */
interface SignedPart {
  readonly tbs: Uint8Array;
  readonly signature: Uint8Array;
  readonly hash: string | null | undefined;
  readonly offset: number;
}

/** Undefined where an entry has no certificate; a fault where it is none. */
function signedPart(entry: TileLeaf): SignedPart | EntryFault | undefined {
  const { entry: logged, precertificate } = entry;
  const der = logged.type === 'x509' ? logged.certificate : precertificate;
  if (der === undefined) return undefined;
  const offset = logged.type === 'x509' ? CERTIFICATE : precertificateAt(entry, logged.tbs);
  try {
    const { tbs, signature, signatureAlgorithm } = parseCertificate(der);
    return { tbs, signature, hash: HASHES.get(signatureAlgorithm), offset };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { offset, message: `the certificate is damaged (${error.message})` };
  }
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
