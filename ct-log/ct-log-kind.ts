/** The certificate log as a kind of tile log: its entries are precertificates, or certificates of other CAs, its receipts SCTs. */
import { FormatError } from '../core/errors.ts';
import type { Signer } from '../signers/signer.ts';
import { LogError } from '../tlog/core/log-error.ts';
import type { LogKind } from '../tlog/log-kind.ts';
import type { PlacedEntry } from '../tlog/format/entry-format.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import type { ChainCertificates } from './chain-certificates.ts';
import { encodeEntry, encodeX509Entry, type CtLogEntry, type TileLeaf } from './format/leaf.ts';
import { leafIndexExtension } from './format/leaf-index.ts';
import { encodeSct, type SctReceipt } from './format/sct.ts';
import type { CtLogIdentity } from './log-identity.ts';
import { checkpointSigners, requireSigners, type LogSigners } from './log-keys.ts';
import { TILE_LEAVES } from './tile-leaves.ts';
import { requireUnedited } from './unbound-identity.ts';

/** An entry with its place in the log. */
interface PlacedCertificate extends PlacedEntry {
  /** MerkleTreeLeaf: what the SCT signs. */
  readonly leaf: Uint8Array;
  /** CtExtensions of leaf and SCT. */
  readonly extensions: Uint8Array;
}

/** The certificate log. */
export type CtLogKind = LogKind<CtLogEntry, SctReceipt, PlacedCertificate, TileLeaf>;

/** The kind for the log of that identity, with its private keys and the chains whose certificates it takes. */
export function ctLogKind(
  identity: CtLogIdentity,
  signers: LogSigners,
  companions: ChainCertificates,
): CtLogKind {
  const scts = new SctMaker(identity, signers.treeHead);
  return {
    identity,
    entries: TILE_LEAVES,
    keys: checkpointSigners(identity, signers),
    logIdOfKeys: sha256(signers.treeHead.publicKey),
    companions,
    knownAs: 'the log of this service',
    endNotice: 'no certificate is issued any more',
    requireKeys: () => {
      requireSigners(identity, signers);
    },
    requireUnedited: (evidence) => requireUnedited(identity, evidence),
    place: entryPlacer(identity.sctExtensions === 'leaf_index', companions),
    receipts: (entries, { timestamp }) => scts.sign(entries, timestamp),
    keyRefusal: () => signers.treeHead.remote?.refusal() ?? signers.checkpoint.remote?.refusal(),
  };
}

const NO_EXTENSIONS = new Uint8Array();

function entryPlacer(withIndex: boolean, chain: ChainCertificates): CtLogKind['place'] {
  return (entry, index, timestamp) => {
    if (!chain.knows(entry.chainFingerprints))
      throw refused('the chain of the entry is not that of this log');
    try {
      const extensions = withIndex ? leafIndexExtension(index) : NO_EXTENSIONS;
      const { leaf, tileLeaf, hashInput } =
        'certificate' in entry
          ? encodeX509Entry(entry, timestamp, extensions)
          : encodeEntry(entry, timestamp, extensions);
      return { index, leaf, bytes: tileLeaf, leafHash: sha256(hashInput), extensions };
    } catch (error) {
      throw error instanceof FormatError ? refused(error.message, error) : error;
    }
  };
}

const refused = (message: string, cause?: unknown): LogError =>
  new LogError('LOG_ENTRY_REFUSED', message, { cause });

/** Makes the SCTs of one log. */
export class SctMaker {
  readonly #identity: CtLogIdentity;
  readonly #signer: Signer;
  /** Those of entries whose batch is not done yet: where one of a thousand signatures fails, the others are not asked for again. */
  readonly #signed = new WeakMap<Placed, Uint8Array>();

  constructor(identity: CtLogIdentity, signer: Signer) {
    this.#identity = identity;
    this.#signer = signer;
  }

  /** The SCTs of entries of one time, in their order. Signs all of them at once, for a key that is far away. Rejects when the key cannot be reached, once nothing is under way any more. */
  async sign(entries: readonly Placed[], timestamp: number): Promise<SctReceipt[]> {
    const signatures =
      this.#signer.remote === undefined
        ? await Promise.all(entries.map(({ leaf }) => this.#signer.sign(leaf)))
        : await this.#remotely(entries);
    const { logId, origin } = this.#identity;
    return entries.map(({ extensions }, i) => {
      const signature = signatures[i];
      if (signature === undefined) throw new LogError('LOG_STORAGE', 'a signature is missing');
      return { sct: encodeSct({ logId, timestamp, extensions, signature }), origin };
    });
  }

  async #remotely(entries: readonly Placed[]): Promise<(Uint8Array | undefined)[]> {
    const left = entries.filter((entry) => !this.#signed.has(entry));
    const leaves = left.map(({ leaf }) => leaf);
    const tries =
      left.length > 1 && this.#signer.signAll !== undefined
        ? await this.#signer.signAll(leaves)
        : await Promise.allSettled(leaves.map((leaf) => this.#signer.sign(leaf)));
    let failure: PromiseRejectedResult | undefined;
    for (const [i, entry] of left.entries()) {
      const one = tries[i];
      if (one?.status === 'fulfilled') this.#signed.set(entry, one.value);
      else failure ??= one;
    }
    if (failure !== undefined) throw failure.reason;
    return entries.map((entry) => this.#signed.get(entry));
  }
}

type Placed = Pick<PlacedCertificate, 'leaf' | 'extensions'>;
