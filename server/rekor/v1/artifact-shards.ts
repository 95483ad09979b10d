/** The logs of Rekor's first API behind its paths. */
import type { ArtifactLog, LoggedEntry } from '../../../rekor/artifact-log.ts';
import type { SearchIndex } from '../../../search/search-index.ts';

/** A log of the first API with its index. */
export interface ArtifactShard {
  readonly log: ArtifactLog;
  readonly search: Pick<SearchIndex<LoggedEntry>, 'ready' | 'search'>;
}

/** Where an entry is: its index is that in the tree of the shard. */
export interface ArtifactPlace {
  readonly shard: ArtifactShard;
  readonly index: number;
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

  /** Where an index over all trees leads; undefined beyond them. */
  placeOf(logIndex: bigint): ArtifactPlace | undefined {
    if (logIndex > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
    const wanted = Number(logIndex);
    const shard = this.all.find(({ log }) => log.identity.firstLogIndex <= wanted);
    return shard && { shard, index: wanted - shard.log.identity.firstLogIndex };
  }

  /** Where the entry with that leaf hash is, in that tree or in any; undefined where there is none. */
  async placeOfHash(leafHash: Uint8Array, treeId?: bigint): Promise<ArtifactPlace | undefined> {
    for (const shard of this.all) {
      if (treeId !== undefined && shard.log.identity.treeId !== treeId) continue;
      const index = await shard.log.indexOf(leafHash);
      if (index !== undefined) return { shard, index };
    }
    return undefined;
  }

  /** The entries that are there, in the order of `places`. */
  async entriesAt(places: readonly ArtifactPlace[]): Promise<readonly PlacedArtifact[]> {
    const found = new Map<ArtifactPlace, PlacedArtifact>();
    for (const [shard, own] of Map.groupBy(places, ({ shard }) => shard)) {
      const entries = await shard.log.entriesAt(own.map(({ index }) => index));
      for (const [i, place] of own.entries()) {
        const entry = entries[i];
        if (entry !== undefined) found.set(place, { shard, entry });
      }
    }
    return places.flatMap((place) => found.get(place) ?? []);
  }
}
