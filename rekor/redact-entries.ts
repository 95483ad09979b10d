/**
 * Withholds bodies of entries for good: their bytes leave the disk, their leaf hashes stay, and so do all proofs. Only while no service has the log.
 *
 * The record comes first and says that it is not finished; then the bodies go from the bundles, from the commit store and with the search index; then the record says
 * that it is done. A crash leaves the log as it was, or a record that the next command, or the next opening of the log, finishes by doing all of it again. Only a
 * body that has the recorded hash is ever replaced, so that nothing else is lost whatever lies there.
 */
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { concat, equalBytes } from '../core/bytes.ts';
import { messageOf } from '../core/errors.ts';
import { removeTemporary } from '../storage/durable-file.ts';
import { LogError } from '../tlog/core/log-error.ts';
import { readLogFile } from '../tlog/core/log-file.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import { hashLeaf } from '../tlog/format/merkle.ts';
import { TILE_WIDTH, tilePath } from '../tlog/format/tile.ts';
import { DAMAGED_FOLDER } from '../tlog/repair-files.ts';
import { requireStoreOf } from '../tlog/require-identity.ts';
import { refuseLoss } from '../tlog/rollback.ts';
import { CHECKPOINT_FILE } from '../tlog/store/checkpoint-file.ts';
import { chooseStores } from '../tlog/store/choose-stores.ts';
import type { CommitStoreBackend, LockedStore } from '../tlog/store/commit-store.ts';
import type { RewritableTileStore } from '../tlog/store/tile-store.ts';
import { splitBundle } from '../tlog/tree/entry-bundle.ts';
import { checkpointKey } from './log-key.ts';
import type { ArtifactLogIdentity } from './log-identity.ts';
import {
  areRedactionsShared,
  changeRedactions,
  MAX_REDACTIONS,
  readRedactions,
  type Redaction,
  type Redactions,
} from './redactions.ts';
import { artifactEntries, blankEntry, type ArtifactEntries } from './stored-artifact.ts';

/** Where bodies lie. */
interface RedactionStores {
  readonly commits: Pick<CommitStoreBackend, 'whileLocked'>;
  readonly tiles: Pick<RewritableTileStore, 'get' | 'replace'>;
}

/** Those of the log in `directory`. Throws {@link LogError} `LOG_UNSUITABLE_STORAGE` where bundles cannot be taken back. */
async function redactionStores(directory: string): Promise<RedactionStores> {
  const { commits, tiles } = await chooseStores(directory);
  const { replace } = tiles;
  if (replace !== undefined) return { commits, tiles: { get: (path) => tiles.get(path), replace } };
  await tiles.close?.();
  throw new LogError(
    'LOG_UNSUITABLE_STORAGE',
    'bodies cannot be withheld: the tiles of this log are in a bucket, where versions, caches and readers keep what was put there',
    { hint: 'Nothing was changed. A log whose bodies may have to be withheld keeps its tiles as files.' },
  );
}

/** A file beside the log that is made anew from it: what entries are found by. */
export const SEARCH_FILE = 'search.db';

/**
 * Redacts entries of the log in `directory`, whose hashes were held to its signed head; those that are redacted already are kept as they are, and what is left of their bodies
 * is removed again. Where replicas share the log, the record counts for all of them at once, and the bodies are removed when no service has the log: otherwise it is not finished, and the same call finishes it later.
 * Throws {@link LogError}: `LOG_UNSUITABLE_STORAGE` where the tile store takes nothing back, `LOG_LOCKED` while a service has a log that is not shared, `LOG_ENTRY_REFUSED` for more than a log can have, `LOG_CORRUPT` and `LOG_STORAGE`.
 */
export async function redactEntries(
  directory: string,
  identity: ArtifactLogIdentity,
  added: readonly Redaction[],
  given?: RedactionStores,
): Promise<Redactions> {
  const stores = given ?? (await redactionStores(directory));
  const record = (): Promise<Redactions> =>
    changeRedactions(directory, (there) => {
      const entries = new Map([...added.map((one) => [one.index, one] as const), ...yetToAudit(there)]);
      if (entries.size > MAX_REDACTIONS) throw tooMany(entries.size);
      return { isFinished: false, entries };
    });
  const isShared = await areRedactionsShared(directory);
  const recorded = isShared ? await record() : undefined;
  const removed = stores.commits.whileLocked(async (store) => {
    await requireWhole(directory, identity, { store, tiles: stores.tiles });
    await inWords(() => removeTemporary(directory));
    const { entries } = recorded ?? (await record());
    return erase(directory, identity, { entries, store, tiles: stores.tiles });
  });
  return recorded === undefined ? removed : unlessLocked(removed, recorded);
}

const tooMany = (count: number): LogError =>
  new LogError('LOG_ENTRY_REFUSED', `a log can have ${MAX_REDACTIONS} redacted entries, not ${count}`);

/** The redactions of the log in `directory`, after those that a crash interrupted are finished; these are to be audited then. Where services have a log that is shared, they are not finished. Throws as {@link redactEntries}. */
export async function finishRedactions(
  directory: string,
  identity: ArtifactLogIdentity,
  given?: RedactionStores,
): Promise<Redactions> {
  const found = await readRedactions(directory);
  if (found.isFinished) return found;
  const stores = given ?? (await redactionStores(directory));
  const removed = stores.commits.whileLocked(async (store) => {
    await requireWhole(directory, identity, { store, tiles: stores.tiles });
    const { entries } = await changeRedactions(directory, (there) => ({
      isFinished: false,
      entries: yetToAudit(there),
    }));
    return erase(directory, identity, { entries, store, tiles: stores.tiles });
  });
  return (await areRedactionsShared(directory)) ? unlessLocked(removed, found) : removed;
}

/** A service that runs writes bodies that it holds in memory: they can be removed only without it. */
const unlessLocked = (removed: Promise<Redactions>, recorded: Redactions): Promise<Redactions> =>
  removed.catch((error: unknown) => {
    if (error instanceof LogError && error.code === 'LOG_LOCKED') return recorded;
    throw error;
  });

/** What a kill in the middle of a transaction left is none of the log's, and goes when the store is written. */
async function requireWhole(
  directory: string,
  identity: ArtifactLogIdentity,
  { store: { state }, tiles }: Pick<Erasure, 'store' | 'tiles'>,
): Promise<void> {
  requireStoreOf(identity, state);
  const checkpoint = await readLogFile(directory, CHECKPOINT_FILE);
  const log = { entries: artifactEntries(identity.api), keys: [checkpointKey(identity)] };
  await refuseLoss({ log, checkpoint, state, tiles });
}

/** What is to be erased has no line in the audit, whatever a record that is not finished says: no body goes without one. Lines of redactions before it are written again. */
const yetToAudit = ({ isFinished, entries }: Redactions): Redactions['entries'] =>
  isFinished
    ? entries
    : new Map([...entries].map(([index, one]) => [index, { ...one, isAudited: false }] as const));

interface Erasure extends Pick<Redactions, 'entries'>, Pick<RedactionStores, 'tiles'> {
  readonly store: LockedStore;
}

async function erase(
  directory: string,
  { api }: ArtifactLogIdentity,
  { entries, store, tiles }: Erasure,
): Promise<Redactions> {
  const blanking = blankingOf(api, entries);
  const bundles = new Set([...entries.keys()].map((index) => Math.floor(index / TILE_WIDTH)));
  for (const n of bundles) await inWords(() => eraseInBundle(directory, n, { tiles, ...blanking }));
  await store.rewrite(blanking.blanked);
  await inWords(() => removeTraces(directory));
  // What another command withheld meanwhile is not removed yet.
  return changeRedactions(directory, (there) => ({
    isFinished: [...there.entries.keys()].every((index) => entries.has(index)),
    entries: new Map([...there.entries, ...entries]),
  }));
}

/** Removes what may have bodies, or names of theirs, beside the stores of the log in `directory`: the search index holds entries by their names, and a repair keeps what it replaced. */
export async function removeTraces(directory: string): Promise<void> {
  for (const suffix of ['', '-wal', '-shm']) await rm(join(directory, SEARCH_FILE + suffix), { force: true });
  await rm(join(directory, DAMAGED_FOLDER), { recursive: true, force: true });
}

interface Blanking {
  readonly format: ArtifactEntries;
  /** What is to lie in the place of an entry; undefined where that is what lies there. */
  readonly blanked: (index: number, bytes: Uint8Array) => Uint8Array | undefined;
}

function blankingOf(api: ArtifactLogIdentity['api'], entries: Redactions['entries']): Blanking {
  const format = artifactEntries(api);
  return {
    format,
    blanked(index, bytes) {
      const redaction = entries.get(index);
      if (redaction === undefined) return undefined;
      const stored = format.parse(bytes, 0);
      const isItsBody = equalBytes(hashLeaf(sha256, stored.leaf), redaction.leafHash);
      return isItsBody ? blankEntry(format, stored) : undefined;
    },
  };
}

/** A bundle that is not there is written by the next start, from what is in the commit store then; a crash may have left a part of one under another name. */
async function eraseInBundle(
  directory: string,
  n: number,
  { tiles, format, blanked }: { readonly tiles: RedactionStores['tiles'] } & Blanking,
): Promise<void> {
  const path = tilePath({ level: 'entries', n, width: TILE_WIDTH });
  await removeTemporary(dirname(join(directory, path)));
  const bytes = await tiles.get(path);
  if (bytes === undefined) return;
  const entries = splitBundle(format, bytes);
  if (typeof entries === 'string')
    throw new LogError('LOG_CORRUPT', `${path} ${entries}`, {
      hint: 'Restore it from a copy of the log, and redact again.',
    });
  const others = entries.map((entry, i) => blanked(n * TILE_WIDTH + i, entry));
  if (others.every((other) => other === undefined)) return;
  await tiles.replace(path, concat(entries.map((entry, i) => others[i] ?? entry)));
}

/** Files that cannot be read or removed are a fault of the storage. */
async function inWords<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof LogError || cause instanceof TypeError) throw cause;
    throw new LogError('LOG_STORAGE', messageOf(cause), { cause });
  }
}
