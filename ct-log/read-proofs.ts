/** The proofs of the read side (RFC 6962 §4.4, §4.5), base64. */
import { equalBytes } from '../core/bytes.ts';
import { consistencyProof, inclusionProof } from '../tlog/format/merkle-proof.ts';
import { HASH_LENGTH } from '../tlog/format/merkle.ts';
import type { HashIndex } from '../tlog/index/hash-index.ts';
import { LogReadError } from '../tlog/core/log-error.ts';
import { badParameter, isCount, requireReached, requireTree } from './read-parameters.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import type { TreeTiles } from '../tlog/tree/tree-tiles.ts';

const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');

/** Answers proofs at the published size, `size`; throws {@link LogReadError}. */
export class ProofReads {
  readonly #tiles: TreeTiles;
  readonly #index: Pick<HashIndex, 'candidates'>;
  readonly #size: () => number;

  constructor(tiles: TreeTiles, index: Pick<HashIndex, 'candidates'>, size: () => number) {
    this.#tiles = tiles;
    this.#index = index;
    this.#size = size;
  }

  async consistency(first: number, second: number): Promise<{ consistency: string[] }> {
    if (!isCount(first) || !isCount(second) || first > second)
      throw badParameter('first must not exceed second');
    requireReached(second, this.#size());
    const proof = await consistencyProof(sha256, first, second, this.#tiles.hashesAt(second));
    return { consistency: proof.map(base64) };
  }

  async byHash(hash: Uint8Array, treeSize: number): Promise<{ leaf_index: number; audit_path: string[] }> {
    if (hash.length !== HASH_LENGTH) throw badParameter('a leaf hash has 32 bytes');
    requireTree(treeSize, this.#size());
    const index = await this.#lookUp(hash, treeSize);
    if (index === undefined) throw new LogReadError('NOT_FOUND', 'no entry of this tree has this leaf hash');
    return { leaf_index: index, audit_path: await this.auditPath(index, treeSize) };
  }

  /** Whether the tree has that leaf: at `index`, where that is known. */
  async holds(hash: Uint8Array, index?: number): Promise<boolean> {
    if (hash.length !== HASH_LENGTH) throw badParameter('a leaf hash has 32 bytes');
    const size = this.#size();
    if (index === undefined) return (await this.#lookUp(hash, size)) !== undefined;
    return index < size && equalBytes(await this.#tiles.hashesAt(size)(0, index), hash);
  }

  /** `index` must be below `treeSize`, and the tree must have reached that. */
  async auditPath(index: number, treeSize: number): Promise<string[]> {
    return (await inclusionProof(sha256, index, treeSize, this.#tiles.hashesAt(treeSize))).map(base64);
  }

  async #lookUp(hash: Uint8Array, treeSize: number): Promise<number | undefined> {
    const { indexes, isAll } = await this.#index.candidates(hash);
    const hashAt = this.#tiles.hashesAt(this.#size());
    for (const index of indexes) {
      if (index < treeSize && equalBytes(await hashAt(0, index), hash)) return index;
    }
    if (isAll) return undefined;
    throw new LogReadError('NOT_READY', 'the index of leaf hashes is being rebuilt', {
      hint: 'Try again soon.',
    });
  }
}
