/** Finds a certificate in a log and proves that it is there, from static-ct-api resources alone. */
import { equalBytes } from '../core/bytes.ts';
import { findExtension, parseCertificate } from '../core/certificate.ts';
import type { TileLeaf } from './format/leaf.ts';
import { parseLeafIndex } from './format/leaf-index.ts';
import { inclusionProof } from '../tlog/format/merkle-proof.ts';
import { verifyInclusion } from '../tlog/format/merkle-verify.ts';
import { hashLeaf, HASH_LENGTH } from '../tlog/format/merkle.ts';
import { parseSct, parseSctList, SCT_LIST_OID, type Sct } from './format/sct.ts';
import { hashesFromTiles, TILE_WIDTH, tilePath, tileWidth } from '../tlog/format/tile.ts';
import { encodeTlogProof } from '../tlog/format/tlog-proof.ts';
import { LogError, LogReadError } from '../tlog/core/log-error.ts';
import { loggedTbs } from './logged-tbs.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import type { LogSource } from './source.ts';
import { TILE_LEAVES } from './tile-leaves.ts';
import { readEntries } from '../tlog/tree/entry-bundle.ts';
import type { VerifiedCheckpoint } from '../tlog/tree/verify-head.ts';

/** Where a certificate stands. */
export interface CertificateProof {
  readonly index: number;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
  readonly leafHash: Uint8Array;
  /** A C2SP tlog-proof, checked against the checkpoint in it. */
  readonly proof: Uint8Array;
}

/** The log whose checkpoint was verified. */
export interface ProofLog {
  readonly source: LogSource;
  readonly logId: Uint8Array;
  /** The bytes that were verified, and what they say. */
  readonly checkpoint: Uint8Array;
  readonly verified: VerifiedCheckpoint;
}

/** The SCT of this log in a final certificate; throws LogReadError `BAD_PARAMETER` when it carries none, or
 * FormatError. */
function sctOf(certificate: Uint8Array, logId: Uint8Array): Sct {
  const list = findExtension(parseCertificate(certificate), SCT_LIST_OID);
  const scts = list === undefined ? [] : parseSctList(list.value).map(parseSct);
  const sct = scts.find((candidate) => equalBytes(candidate.logId, logId));
  if (sct !== undefined) return sct;
  throw new LogReadError(
    'BAD_PARAMETER',
    scts.length === 0 ? 'the certificate carries no SCT' : 'the SCT of the certificate is from another log',
    {
      hint:
        scts.length === 0
          ? 'Give the certificate that was issued, not its issuer and no precertificate.'
          : 'Name the log that its issuer wrote to: another one of the same service goes in by --log NAME.',
    },
  );
}

/**
 * Proves that the DER `certificate` is in the log. Its place comes from the SCT; without a leaf index in it, from a
 * binary search by the SCT's time, for times never decrease in a log. Throws {@link LogReadError} `NOT_FOUND` when
 * the entry there is another one or the checkpoint does not reach that far, {@link LogError} `LOG_CORRUPT` when the
 * tiles do not give the checkpoint's root.
 */
export async function proveCertificate(log: ProofLog, certificate: Uint8Array): Promise<CertificateProof> {
  const sct = sctOf(certificate, log.logId);
  const tbs = loggedTbs(certificate);
  const isIt = ({ entry, timestamp }: TileLeaf): boolean =>
    entry.type === 'precert' && timestamp === sct.timestamp && equalBytes(entry.tbs, tbs);
  const entries = new Entries(log);
  const stated = parseLeafIndex(sct.extensions);
  const index = stated === undefined ? await entries.search(sct.timestamp, isIt) : requireBelow(stated, log);
  const found = await entries.at(index);
  if (!isIt(found)) throw notLogged(`entry ${index} of the log is not this certificate`);
  return prove(log, index, found);
}

function requireBelow(index: number, { verified, source }: ProofLog): number {
  if (index < verified.size) return index;
  throw notLogged(
    `the checkpoint of ${source.name} has ${verified.size} entries, the certificate is entry ${index}`,
    {
      hint: 'The checkpoint file is up to a second old while the server runs; ask again, or ask the server by --url.',
    },
  );
}

const notLogged = (message: string, details: { hint?: string } = {}): LogReadError =>
  new LogReadError('NOT_FOUND', message, details);

async function prove(log: ProofLog, index: number, entry: TileLeaf): Promise<CertificateProof> {
  const { size, root } = log.verified;
  const hashes = hashesFromTiles(sha256, size, async (tile) =>
    (await log.source.tile(tilePath(tile))).subarray(0, tile.width * HASH_LENGTH),
  );
  const path = await inclusionProof(sha256, index, size, hashes);
  const leafHash = hashLeaf(sha256, entry.leaf);
  if (!verifyInclusion(sha256, { leafHash, index, size }, path, root)) {
    throw new LogError(
      'LOG_CORRUPT',
      `the tiles of ${log.source.name} do not give the root of its checkpoint`,
      {
        hint: 'Run `mayfly log check` to see what is wrong.',
      },
    );
  }
  const proof = encodeTlogProof({ index, path, checkpoint: log.checkpoint });
  return { index, timestamp: entry.timestamp, leafHash, proof };
}

/** Entries of one time that are looked through: a log commits a thousand in a millisecond at most. */
const MAX_ALIKE = 16_384;

/** Entries of the checkpoint's tree, the last data tile kept. */
class Entries {
  readonly #log: ProofLog;
  #n = -1;
  #tile: readonly TileLeaf[] = [];

  constructor(log: ProofLog) {
    this.#log = log;
  }

  async at(index: number): Promise<TileLeaf> {
    const n = Math.floor(index / TILE_WIDTH);
    if (n !== this.#n) this.#tile = await this.#read(n);
    this.#n = n;
    const entry = this.#tile[index - n * TILE_WIDTH];
    if (entry === undefined) throw notLogged(`the tree has no entry ${index}`);
    return entry;
  }

  async #read(n: number): Promise<TileLeaf[]> {
    const width = tileWidth('data', n, this.#log.verified.size);
    const bytes = await this.#log.source.tile(tilePath({ level: 'data', n, width }));
    return readEntries(TILE_LEAVES, bytes, width);
  }

  /** Index of the entry of that time for which `isIt` holds. */
  async search(timestamp: number, isIt: (entry: TileLeaf) => boolean): Promise<number> {
    const { size } = this.#log.verified;
    let low = 0;
    let high = size;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if ((await this.at(middle)).timestamp < timestamp) low = middle + 1;
      else high = middle;
    }
    for (const first = low; low < size; low++) {
      const entry = await this.at(low);
      if (entry.timestamp !== timestamp) break;
      if (isIt(entry)) return low;
      if (low - first >= MAX_ALIKE)
        throw notLogged(`the log has more than ${MAX_ALIKE} entries of that time`);
    }
    throw notLogged('no entry of that time is this certificate');
  }
}
