import type { Clock } from '../../core/clock.ts';
import type { BatchSigner } from './batch-signer.ts';
import type { CommitStore } from '../store/commit-store.ts';
import type { SignedHead } from './head-signer.ts';
import type { LogIdentity } from '../log-identity.ts';
import type { SequencerLimits } from './sequencer-limits.ts';
import type { TileWriter } from './tile-writer.ts';
import type { TreeEdge } from '../tree/tree-edge.ts';

/** What the sequencer works with. `head` is the signed, committed head that `edge` has computed. */
export interface SequencerParts {
  readonly identity: LogIdentity;
  readonly store: CommitStore;
  readonly edge: TreeEdge;
  readonly tiles: TileWriter;
  readonly head: SignedHead;
  readonly signer: BatchSigner;
  /** Throws LogError `LOG_CLOCK` while it is not trusted. */
  readonly clock: Clock;
  /** Whether every certificate of this chain is served already (fingerprints, n × 32 bytes). */
  readonly knowsChain: (fingerprints: Uint8Array) => boolean;
  /** Told of each new head, with the leaf hashes it adds. */
  readonly published: (head: SignedHead, leafHashes: readonly Uint8Array[]) => void;
  /** Called once, with the cause, when nothing is logged any more. */
  readonly stopped: (cause: unknown) => void;
  readonly limits: SequencerLimits;
}
