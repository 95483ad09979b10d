/** An entry with its place in the log, encoded as the log keeps it. */
import { FormatError } from '../core/errors.ts';
import { encodeEntry, type PrecertificateEntry } from './format/leaf.ts';
import { leafIndexExtension } from './format/leaf-index.ts';
import { LogError } from '../tlog/log-error.ts';
import type { LogIdentity } from '../tlog/log-identity.ts';
import { sha256 } from '../tlog/sha256.ts';

/** See above. */
export interface PlacedEntry {
  readonly index: number;
  /** MerkleTreeLeaf: what the SCT signs. */
  readonly leaf: Uint8Array;
  readonly tileLeaf: Uint8Array;
  readonly leafHash: Uint8Array;
  /** CtExtensions of leaf and SCT. */
  readonly extensions: Uint8Array;
}

/** Gives an entry its index and time; throws {@link LogError} `LOG_ENTRY_REFUSED`. */
export type PlaceEntry = (entry: PrecertificateEntry, index: number, timestamp: number) => PlacedEntry;

const NO_EXTENSIONS = new Uint8Array();

/** Makes the function for a log that serves the chains which `knowsChain` accepts (fingerprints, n × 32 bytes). */
export function entryPlacer(
  { sctExtensions }: Pick<LogIdentity, 'sctExtensions'>,
  knowsChain: (fingerprints: Uint8Array) => boolean,
): PlaceEntry {
  const withIndex = sctExtensions === 'leaf_index';
  return (entry, index, timestamp) => {
    if (!knowsChain(entry.chainFingerprints)) throw refused('the chain of the entry is not that of this log');
    try {
      const extensions = withIndex ? leafIndexExtension(index) : NO_EXTENSIONS;
      const { leaf, tileLeaf, hashInput } = encodeEntry(entry, timestamp, extensions);
      return { index, leaf, tileLeaf, leafHash: sha256(hashInput), extensions };
    } catch (error) {
      throw error instanceof FormatError ? refused(error.message, error) : error;
    }
  };
}

const refused = (message: string, cause?: unknown): LogError =>
  new LogError('LOG_ENTRY_REFUSED', message, { cause });
