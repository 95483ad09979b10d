/** What a verifier takes for true before it looks at a certificate. */
import { equalBytes, toHex } from '../core/bytes.ts';
import { parseCertificate, type Certificate } from '../core/certificate.ts';
import { describeName } from '../core/distinguished-name.ts';
import { FormatError } from '../core/errors.ts';
import { parsePublicKey, spkiOfEd25519Key } from '../core/public-key.ts';
import { SIGNATURE_SCHEMES } from '../core/signature-algorithm.ts';
import type { VerifyCrypto } from './crypto.ts';
import { VerifyError } from './verify-error.ts';

/** A log whose SCTs and checkpoints count. */
export interface TrustedLog {
  readonly origin: string;
  /** DER SubjectPublicKeyInfo of its ECDSA P-256 key. */
  readonly publicKey: Uint8Array;
  /** The raw Ed25519 key that also signs its checkpoints, 32 bytes. */
  readonly ed25519PublicKey?: Uint8Array | undefined;
}

/** Trust as files give it; certificates are DER. */
export interface Trust {
  readonly roots: readonly Uint8Array[];
  readonly intermediates: readonly Uint8Array[];
  readonly logs: readonly TrustedLog[];
}

/** Trust that was read once and can be asked. */
export interface PreparedTrust {
  readonly roots: readonly Certificate[];
  readonly intermediates: readonly Certificate[];
  /** By the hexadecimal log id. */
  readonly logs: ReadonlyMap<string, TrustedLog>;
}

/** Reads the certificates and keys of `trust`. Rejects with {@link VerifyError} `BAD_TRUST` when one of them is not what
 * it should be, or when there is no root. */
export async function prepareTrust(trust: Trust, crypto: VerifyCrypto): Promise<PreparedTrust> {
  if (trust.roots.length === 0) throw new VerifyError('BAD_TRUST', 'no root certificate is trusted');
  return {
    roots: await Promise.all(trust.roots.map((der) => readRoot(der, crypto))),
    intermediates: trust.intermediates.map((der) =>
      readOr('an intermediate certificate', () => parseCertificate(der)),
    ),
    logs: new Map(trust.logs.map((log) => [toHex(crypto.sha256(checkedKey(log))), log])),
  };
}

/** An anchor signed itself. An intermediate in its place would be trusted whatever becomes of the CA above it: that it
 * has ended, or what it allows. */
async function readRoot(der: Uint8Array, crypto: VerifyCrypto): Promise<Certificate> {
  const root = readOr('a root certificate', () => parseCertificate(der));
  if (await isSelfSigned(root, crypto)) return root;
  const [subject, issuer] = readOr('a root certificate', () =>
    [root.subject, root.issuer].map((name) => describeName(name)),
  );
  const sentence = `the certificate "${subject}" is trusted as a root and is none: it did not sign itself`;
  throw new VerifyError('BAD_TRUST', sentence, {
    hint: `Trust the root that it leads to: "${issuer}" issued it. An intermediate belongs beside the roots, not among them.`,
  });
}

/** By its name alone where it is signed by an algorithm that is not known here, as old roots are with SHA-1: the
 * signature of a root proves nothing. */
async function isSelfSigned(root: Certificate, crypto: VerifyCrypto): Promise<boolean> {
  if (!equalBytes(root.subject, root.issuer)) return false;
  const scheme = SIGNATURE_SCHEMES.get(root.signatureAlgorithm);
  if (scheme === undefined) return true;
  const key = readOr('the key of a root certificate', () => parsePublicKey(root.spki));
  return key.type === scheme.keyType && crypto.verify(scheme, root.spki, root.tbs, root.signature);
}

function checkedKey({ publicKey, ed25519PublicKey }: TrustedLog): Uint8Array {
  const key = readOr('the key of a log', () => parsePublicKey(publicKey));
  if (key.type !== 'ec' || key.curve !== 'P-256') {
    throw new VerifyError('BAD_TRUST', 'the key of a log must be ECDSA P-256');
  }
  if (ed25519PublicKey !== undefined) readOr('the key of a log', () => spkiOfEd25519Key(ed25519PublicKey));
  return publicKey;
}

function readOr<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new VerifyError('BAD_TRUST', `${what} to be trusted cannot be read: ${error.message}`);
  }
}
