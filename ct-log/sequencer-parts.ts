import type { Clock } from '../core/clock.ts';
import type { Signer } from '../core/signer.ts';
import type { CommitStore } from './commit-store.ts';
import type { SignedHead, SignHead } from './head-signer.ts';
import type { LogIdentity } from './log-identity.ts';
import type { SequencerLimits } from './sequencer-limits.ts';
import type { TileWriter } from './tile-writer.ts';
import type { TreeEdge } from './tree-edge.ts';

/** What the sequencer works with. `head` is the signed, committed head that `edge` has computed. */
export interface SequencerParts {
  readonly identity: LogIdentity;
  readonly store: CommitStore;
  readonly edge: TreeEdge;
  readonly tiles: TileWriter;
  readonly head: SignedHead;
  readonly signHead: SignHead;
  /** ECDSA P-256, for SCTs. */
  readonly sctSigner: Signer;
  readonly clock: Clock;
  /** Whether every certificate of this chain is served already (fingerprints, n × 32 bytes). */
  readonly knowsChain: (fingerprints: Uint8Array) => boolean;
  /** Told of each new head, with the leaf hashes it adds. */
  readonly published: (head: SignedHead, leafHashes: readonly Uint8Array[]) => void;
  readonly limits: SequencerLimits;
}
