/** An entry of an artifact log in a bundle (`dev.sigstore.rekor.v1.TransparencyLogEntry`). */
import { utf8 } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import type { MessageReader } from '../../trust/format/message-reader.ts';

/** Where the log says that the entry is. */
export interface EntryProof {
  /** Position in its tree, which is another number than that of the entry where the log has had several trees. */
  readonly index: number;
  readonly size: number;
  readonly root: Uint8Array;
  /** The audit path, from the leaf up. */
  readonly hashes: readonly Uint8Array[];
  /** A signed note, UTF-8; logs did not give it in the days of version 0.1. */
  readonly checkpoint: Uint8Array | undefined;
}

/** The entry. Nothing in it is verified. */
export interface BundleEntry {
  readonly logIndex: number;
  readonly logId: Uint8Array;
  readonly kind: string;
  readonly version: string;
  /** Seconds since the epoch; 0 where the log names no time. */
  readonly integratedTime: number;
  /** The signed entry timestamp (SET). */
  readonly promise: Uint8Array | undefined;
  readonly proof: EntryProof | undefined;
  /** What the log holds. */
  readonly body: Uint8Array;
}

const MAX_HASHES = 63;

/** Reads the message; throws {@link FormatError}. What Protobuf leaves out because it is 0 or empty is read as that. */
export function readEntry(reader: MessageReader): BundleEntry {
  return {
    logIndex: reader.optionalWhole('logIndex') ?? 0,
    logId: reader.message('logId', (inner) => inner.bytes('keyId')),
    ...reader.message('kindVersion', (inner) => ({
      kind: inner.text('kind'),
      version: inner.text('version'),
    })),
    integratedTime: reader.optionalWhole('integratedTime') ?? 0,
    promise: reader.optionalMessage('inclusionPromise', (inner) => inner.bytes('signedEntryTimestamp')),
    proof: reader.optionalMessage('inclusionProof', readProof),
    body: reader.bytes('canonicalizedBody'),
  };
}

function readProof(reader: MessageReader): EntryProof {
  return {
    index: reader.optionalWhole('logIndex') ?? 0,
    size: reader.optionalWhole('treeSize') ?? 0,
    root: reader.bytes('rootHash'),
    hashes: fewHashes(reader.byteStrings('hashes')),
    checkpoint: reader.optionalMessage('checkpoint', (inner) => utf8(inner.text('envelope'))),
  };
}

/** As many as a proof can have. Throws {@link FormatError}. */
export function fewHashes<T>(hashes: readonly T[]): readonly T[] {
  if (hashes.length <= MAX_HASHES) return hashes;
  throw new FormatError('TOO_LARGE', `an inclusion proof has more than ${MAX_HASHES} hashes`);
}
