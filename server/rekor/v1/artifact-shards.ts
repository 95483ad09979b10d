import { equalBytes } from '../../../core/bytes.ts';
import type { ArtifactLog, LoggedEntry } from '../../../rekor/artifact-log.ts';
import type { SearchIndex } from '../../../search/search-index.ts';

/** A log of the first API with its index. */
export interface ArtifactShard {
  readonly log: ArtifactLog;
  readonly search: Pick<SearchIndex<LoggedEntry>, 'ready' | 'search'>;
}

/** An entry and the shard that has it. */
export interface PlacedArtifact {
  readonly shard: ArtifactShard;
  readonly entry: LoggedEntry;
}

/** The logs of the first API that clients see as one: the one that is written, and those that were before it. */
export class ArtifactShards {
  readonly active: ArtifactShard;
  /** The oldest first. */
  readonly inactive: readonly ArtifactShard[];

  constructor(active: ArtifactShard, inactive: readonly ArtifactShard[] = []) {
    this.active = active;
    this.inactive = inactive;
  }

  /** The newest first. */
  get all(): readonly ArtifactShard[] {
    return [this.active, ...this.inactive.toReversed()];
  }

  /** Undefined where there is no such tree. */
  ofTree(treeId: bigint): ArtifactShard | undefined {
    return this.all.find(({ log }) => log.identity.treeId === treeId);
  }

  /** By the index over all trees. */
  async byLogIndex(logIndex: bigint): Promise<PlacedArtifact | undefined> {
    if (logIndex > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
    const wanted = Number(logIndex);
    const shard = this.all.find(({ log }) => log.identity.firstLogIndex <= wanted);
    const entry = await shard?.log.entryAt(wanted - shard.log.identity.firstLogIndex);
    return shard && entry && { shard, entry };
  }

  /** In that tree, or in any. */
  async byLeafHash(leafHash: Uint8Array, treeId?: bigint): Promise<PlacedArtifact | undefined> {
    for (const shard of this.all) {
      if (treeId !== undefined && shard.log.identity.treeId !== treeId) continue;
      const entry = await shard.log.entryByLeafHash(leafHash);
      if (entry !== undefined && equalBytes(entry.leafHash, leafHash)) return { shard, entry };
    }
    return undefined;
  }
}
