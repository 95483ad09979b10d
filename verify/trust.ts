/** What a verifier takes for true before it looks at a certificate. */
import { toHex } from '../core/bytes.ts';
import { parseCertificate, type Certificate } from '../core/certificate.ts';
import { FormatError } from '../core/errors.ts';
import { parsePublicKey, spkiOfEd25519Key } from '../core/public-key.ts';
import type { Sha256 } from '../core/signer.ts';
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

/** Reads the certificates and keys of `trust`. Throws {@link VerifyError} `BAD_TRUST` when one of them is not what it
 * should be, or when there is no root. */
export function prepareTrust(trust: Trust, sha256: Sha256): PreparedTrust {
  if (trust.roots.length === 0) throw new VerifyError('BAD_TRUST', 'no root certificate is trusted');
  return {
    roots: trust.roots.map((der) => readOr('a root certificate', () => parseCertificate(der))),
    intermediates: trust.intermediates.map((der) =>
      readOr('an intermediate certificate', () => parseCertificate(der)),
    ),
    logs: new Map(trust.logs.map((log) => [toHex(sha256(checkedKey(log))), log])),
  };
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
