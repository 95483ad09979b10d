/** Reads of a log of artifacts, at its newest signed head. */
import { setTimeout as delay } from 'node:timers/promises';
import { concat, equalBytes } from '../core/bytes.ts';
import { FormatError } from '../core/errors.ts';
import { LogError, LogReadError } from '../tlog/core/log-error.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import { HASH_LENGTH, hashLeaf } from '../tlog/format/merkle.ts';
import { consistencyProof } from '../tlog/format/merkle-proof.ts';
import { parseTilePath, TILE_WIDTH, tilePath, tileWidth, type Tile } from '../tlog/format/tile.ts';
import type { PublishedTree } from '../tlog/published-tree.ts';
import { readEntries } from '../tlog/tree/entry-bundle.ts';
import type { LoggedProof, LoggedEntry } from './artifact-log.ts';
import { proofUnder } from './artifact-log-kind.ts';
import type { ArtifactLogIdentity } from './log-identity.ts';
import { NO_REDACTIONS, REDACTIONS_FILE, type Redaction, type Redactions } from './redactions.ts';
import { artifactEntries, blankEntry, requireSound, type StoredArtifact } from './stored-artifact.ts';

/** Milliseconds between two looks at an index that is being made. */
const LOOK_AGAIN = 20;

/** The entries of a bundle, by their indexes in the log. */
interface Bundle {
  /** As it is on the disk. */
  readonly stored: (index: number) => StoredArtifact;
  /** Held to its hash. */
  readonly entry: (index: number) => LoggedEntry;
}

/** Every read is of one head, which it takes at its start. */
export class ArtifactEntryReads {
  readonly #identity: ArtifactLogIdentity;
  readonly #tree: PublishedTree<StoredArtifact>;
  readonly #redactions: Redactions['entries'];

  constructor(
    identity: ArtifactLogIdentity,
    tree: PublishedTree<StoredArtifact>,
    { entries }: Redactions = NO_REDACTIONS,
  ) {
    this.#identity = identity;
    this.#tree = tree;
    this.#redactions = entries;
  }

  get #size(): number {
    return this.#tree.head().head.size;
  }

  async entryAt(index: number): Promise<LoggedEntry | undefined> {
    const [entry] = await this.entriesAt([index]);
    return entry;
  }

  async entriesAt(indexes: readonly number[]): Promise<readonly (LoggedEntry | undefined)[]> {
    const size = this.#size;
    const isThere = (index: number): boolean => Number.isSafeInteger(index) && index >= 0 && index < size;
    const found = new Map<number, LoggedEntry>();
    const bundles = Map.groupBy(indexes.filter(isThere), (index) => Math.floor(index / TILE_WIDTH));
    for (const [n, wanted] of bundles) {
      const last = wanted.reduce((one, other) => Math.max(one, other));
      const { entry } = await this.#bundle(n, last + 1);
      for (const index of wanted) found.set(index, found.get(index) ?? entry(index));
    }
    return indexes.map((index) => found.get(index));
  }

  async entriesFrom(first: number): Promise<readonly LoggedEntry[]> {
    if (!Number.isSafeInteger(first) || first < 0) throw badParameter('first is not an index');
    const size = this.#size;
    if (first >= size) return [];
    const n = Math.floor(first / TILE_WIDTH);
    const stop = Math.min(size, (n + 1) * TILE_WIDTH);
    const { entry } = await this.#bundle(n, stop);
    return Array.from({ length: stop - first }, (_, i) => entry(first + i));
  }

  /** Holds redacted entries of one bundle, which the log has, to what is recorded, as reading them does; the first whose body is on the disk all the same, undefined where none is. */
  async standingAmong(indexes: readonly number[]): Promise<number | undefined> {
    const last = indexes.reduce((one, other) => Math.max(one, other), 0);
    const { entry, stored } = await this.#bundle(Math.floor(last / TILE_WIDTH), last + 1);
    for (const index of indexes) entry(index);
    return indexes.find((index) => stored(index).leaf.length !== 0);
  }

  async entryByLeafHash(hash: Uint8Array): Promise<LoggedEntry | undefined> {
    const index = await this.indexOf(hash);
    return index === undefined ? undefined : this.entryAt(index);
  }

  async indexOf(hash: Uint8Array): Promise<number | undefined> {
    const { index, isAll } = await this.#look(hash);
    if (index !== undefined || isAll) return index;
    throw new LogReadError('NOT_READY', 'the index of leaf hashes is being rebuilt', {
      hint: 'Try again soon.',
    });
  }

  /** Where the entry with that hash is, undefined where there is none; an index of hashes that is being made is waited for. Rejects with LogError `LOG_BUSY` when
   * that takes longer than `ms`. */
  async find(hash: Uint8Array, ms: number): Promise<number | undefined> {
    for (const end = performance.now() + ms; ;) {
      const { index, isAll } = await this.#look(hash);
      if (index !== undefined || isAll) return index;
      if (performance.now() >= end) throw stillIndexing();
      await delay(LOOK_AGAIN);
    }
  }

  /** Every index of an entry with that hash, lowest first; an index of hashes that is being made is waited for. Rejects as {@link find} does. */
  async indexesOf(hash: Uint8Array, ms: number): Promise<readonly number[]> {
    for (const end = performance.now() + ms; ;) {
      const { indexes, isAll } = await this.#lookForAll(hash);
      if (isAll) return indexes;
      if (performance.now() >= end) throw stillIndexing();
      await delay(LOOK_AGAIN);
    }
  }

  async proofOf(index: number): Promise<LoggedProof> {
    const head = this.#tree.head();
    const { size } = head.head;
    if (!Number.isSafeInteger(index) || index < 0 || index >= size)
      throw badParameter(`the tree has ${size} entries, and none at ${index}`);
    return proofUnder(head, index, this.#tree.tiles.hashesAt(size));
  }

  async consistency(first: number, last: number): Promise<readonly Uint8Array[]> {
    const size = this.#size;
    for (const one of [first, last])
      if (!Number.isSafeInteger(one) || one < 0 || one > size)
        throw badParameter(`the tree has ${size} entries, not ${one}`);
    if (first > last) throw badParameter('first must not exceed last');
    return consistencyProof(sha256, first, last, this.#tree.tiles.hashesAt(last));
  }

  async tile(path: string): Promise<Uint8Array> {
    const tile = tileOf(path);
    if (tile.width > tileWidth(tile.level, tile.n, this.#size))
      throw new LogReadError('NOT_FOUND', 'the tree is not that large yet');
    const bytes = await this.#tree.tiles.tile(tile);
    return tile.level === 'entries' ? this.#withheldIn(tile, bytes) : bytes;
  }

  /** A body that somebody put back from a copy is withheld all the same. */
  #withheldIn({ n, width }: Tile, bytes: Uint8Array): Uint8Array {
    const isRedacted = (i: number): boolean => this.#redactions.has(n * TILE_WIDTH + i);
    if (!Array.from({ length: width }, (_, i) => i).some(isRedacted)) return bytes;
    const format = artifactEntries(this.#identity.api);
    let at = 0;
    return concat(
      readEntries(format, bytes, width).map((entry, i) => {
        const own = bytes.subarray(at, entry.next);
        at = entry.next;
        return isRedacted(i) ? blankEntry(format, entry) : own;
      }),
    );
  }

  async #look(hash: Uint8Array): Promise<{ readonly index: number | undefined; readonly isAll: boolean }> {
    const { indexes, isAll } = await this.#lookForAll(hash, 1);
    return { index: indexes[0], isAll };
  }

  async #lookForAll(
    hash: Uint8Array,
    most = Infinity,
  ): Promise<{ readonly indexes: readonly number[]; readonly isAll: boolean }> {
    if (hash.length !== HASH_LENGTH) throw badParameter('a leaf hash has 32 bytes');
    const { indexes, isAll } = await this.#tree.index.candidates(hash);
    const size = this.#size;
    const hashAt = this.#tree.tiles.hashesAt(size);
    const found: number[] = [];
    for (const index of indexes)
      if (found.length < most && index < size && equalBytes(await hashAt(0, index), hash)) found.push(index);
    return { indexes: found, isAll };
  }

  /** The entries of bundle `n` below the index `stop`, by their indexes; one is held to its hash when it is asked for. */
  async #bundle(n: number, stop: number): Promise<Bundle> {
    const first = n * TILE_WIDTH;
    const { tiles } = this.#tree;
    const [entries, hashes] = await Promise.all([
      tiles.entries(n, stop - first),
      tiles.tile({ level: 0, n, width: stop - first }),
    ]);
    const stored = (index: number): StoredArtifact => {
      const entry = entries[index - first];
      if (entry === undefined) throw new TypeError('the entry is in another bundle');
      return entry;
    };
    const entry = (index: number): LoggedEntry => {
      const at = (index - first) * HASH_LENGTH;
      return this.#logged(stored(index), index, hashes.subarray(at, at + HASH_LENGTH));
    };
    return { stored, entry };
  }

  #logged(entry: StoredArtifact, index: number, leafHash: Uint8Array): LoggedEntry {
    const { leaf: body, integratedTime } = entry;
    const redaction = this.#redactions.get(index);
    if (redaction !== undefined) return this.#redacted(entry, leafHash, redaction);
    if (body.length === 0)
      throw damaged(index, `its body is missing, and ${REDACTIONS_FILE} does not say why`);
    if (!equalBytes(hashLeaf(sha256, body), leafHash)) throw damaged(index, 'its hash is another');
    try {
      requireSound(entry);
      const { namedDigests } = entry;
      return placedEntry(this.#identity, { index, leafHash, body, integratedTime, namedDigests });
    } catch (error) {
      throw error instanceof FormatError ? damaged(index, error.message) : error;
    }
  }

  /** What the tree has of it is what was recorded. */
  #redacted(entry: StoredArtifact, leafHash: Uint8Array, redaction: Redaction): LoggedEntry {
    const { index } = redaction;
    if (!equalBytes(redaction.leafHash, leafHash))
      throw new LogError(
        'LOG_CORRUPT',
        `${REDACTIONS_FILE} has another hash for entry ${index} than the tree`,
        {
          hint: `Restore ${REDACTIONS_FILE} from a copy of the log.`,
        },
      );
    // Its sum covers its time.
    if (entry.leaf.length === 0 && !entry.hasRightSum) throw damaged(index, 'its checksum is wrong');
    const { integratedTime } = entry;
    const nothing = { body: new Uint8Array(), namedDigests: [] };
    return placedEntry(this.#identity, { index, leafHash, integratedTime, ...nothing, redaction });
  }
}

/** An entry with what follows from its place. */
export const placedEntry = (
  { treeId, firstLogIndex }: ArtifactLogIdentity,
  entry: Omit<LoggedEntry, 'logIndex' | 'treeId'>,
): LoggedEntry => ({ ...entry, logIndex: firstLogIndex + entry.index, treeId });

/** The tile of a path. Throws {@link LogReadError} `NOT_FOUND`. */
function tileOf(path: string): Tile {
  try {
    return parseTilePath(path, 'entries');
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new LogReadError('NOT_FOUND', error.message);
  }
}

const badParameter = (message: string): LogReadError => new LogReadError('BAD_PARAMETER', message);

const stillIndexing = (): LogError =>
  new LogError(
    'LOG_BUSY',
    'the index of leaf hashes is being rebuilt, and nothing else says whether the entry is there already',
    {
      hint: 'Try again in a moment.',
    },
  );

function damaged(index: number, why: string): LogError {
  const n = Math.floor(index / TILE_WIDTH);
  const path = tilePath({ level: 'entries', n, width: TILE_WIDTH });
  return new LogError('LOG_CORRUPT', `entry ${index} is damaged: ${why}`, {
    hint: `Restore ${path} from a copy of the log; \`mayfly rekor check\` says more.`,
  });
}
