/** The CA certificates that entries refer to by hash. They are served before the first entry names them. */
import { concat, equalBytes, toHex } from '../core/bytes.ts';
import { LogError } from '../tlog/log-error.ts';
import { sha256 } from '../tlog/sha256.ts';
import type { TileStore } from '../tlog/store/tile-store.ts';

/** Path of the certificate with that hash, inside a log. */
export const issuerPath = (hex: string): string => `issuer/${hex}`;

/** The CA chain of a running log. */
export interface Issuers {
  /** DER, issuing CA first. */
  readonly certificates: readonly Uint8Array[];
  /** Whether every certificate of the chain (n × 32 bytes) is one of these. */
  knowsChain(fingerprints: Uint8Array): boolean;
}

/** Throws {@link LogError} `LOG_CORRUPT` for a file of one of these certificates that holds something else. Changes
 * nothing. */
export async function requireOwnIssuers(
  certificates: readonly Uint8Array[],
  tiles: TileStore,
): Promise<void> {
  for (const certificate of certificates) {
    const path = issuerPath(toHex(sha256(certificate)));
    const there = await tiles.get(path);
    if (there === undefined || equalBytes(there, certificate)) continue;
    throw new LogError('LOG_CORRUPT', `${path} is damaged: it is not the certificate of its name`, {
      hint: 'Nothing was changed. Move that file away and start again: it is written anew from the chain of the CA.',
    });
  }
}

/** Makes the certificates durable under their names; an entry that names them may be logged afterwards. */
export async function putIssuers(certificates: readonly Uint8Array[], tiles: TileStore): Promise<Issuers> {
  const hashes = certificates.map(sha256);
  for (const [i, hash] of hashes.entries()) {
    await tiles.put(issuerPath(toHex(hash)), certificates[i] ?? new Uint8Array());
  }
  const whole = concat(hashes);
  const known = new Set(hashes.map(toHex));
  return {
    certificates,
    knowsChain: (fingerprints) =>
      equalBytes(fingerprints, whole) || everyHash(fingerprints, (hash) => known.has(toHex(hash))),
  };
}

/** Whether `accept` takes each of the 32-byte hashes, of which there is at least one. */
function everyHash(hashes: Uint8Array, accept: (hash: Uint8Array) => boolean): boolean {
  if (hashes.length === 0 || hashes.length % 32 !== 0) return false;
  for (let at = 0; at < hashes.length; at += 32) if (!accept(hashes.subarray(at, at + 32))) return false;
  return true;
}
