/** Entries in the shape of RFC 6962 §4.6. */
import { concat } from '../core/bytes.ts';
import { vector } from '../core/tls.ts';
import type { TileLeaf } from './format/leaf.ts';
import { HASH_LENGTH } from '../tlog/format/merkle.ts';

/** One entry of `get-entries`, base64. */
export interface EntryJson {
  /** MerkleTreeLeaf. */
  readonly leaf_input: string;
  /** x509: v24 of the chain's v24 certificates; precert: v24(precertificate) and the same. */
  readonly extra_data: string;
}

/** The entry with its chain, made by {@link encodeChain}, put back in place of the fingerprints. */
export function entryJson(entry: TileLeaf, chain: Uint8Array): EntryJson {
  const precertificate = entry.precertificate === undefined ? [] : [vector(3, entry.precertificate)];
  const extra = concat([...precertificate, chain]);
  return {
    leaf_input: Buffer.from(entry.leaf).toString('base64'),
    extra_data: Buffer.from(extra).toString('base64'),
  };
}

/** v24 of the v24 certificates whose SHA-256 hashes stand behind one another in `fingerprints`; `certificateOf` returns
 * the DER of one. */
export async function encodeChain(
  fingerprints: Uint8Array,
  certificateOf: (fingerprint: Uint8Array) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const chain: Uint8Array[] = [];
  for (let at = 0; at < fingerprints.length; at += HASH_LENGTH) {
    chain.push(vector(3, await certificateOf(fingerprints.subarray(at, at + HASH_LENGTH))));
  }
  return vector(3, concat(chain));
}
