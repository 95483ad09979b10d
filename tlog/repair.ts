/**
 * Puts right what is damaged of a log, as far as what is right can be derived: from what is left of it, or from a copy, of which every byte is
 * held to the committed head first. What it cannot derive it leaves as it is, and says what to restore.
 *
 * Each file is put in its place whole, and durable, after what was there was kept aside. So a crash leaves the old file or the new one, and the next run
 * finds what is left to do.
 */
import { join } from 'node:path';
import { concat, equalBytes, toHex, utf8 } from '../core/bytes.ts';
import { FormatError, messageOf } from '../core/errors.ts';
import { readLogFile } from './core/log-file.ts';
import { LogError } from './core/log-error.ts';
import type { LogIdentity } from './core/log-identity.ts';
import { sha256 } from './core/sha256.ts';
import { findDerivedFault, type DerivedFault } from './derived-faults.ts';
import type { EntryFormat, StoredEntry } from './format/entry-format.ts';
import { rootFrom } from './format/merkle-proof.ts';
import { parseTilePath, TILE_WIDTH, type BundleName, type Tile } from './format/tile.ts';
import { SetAside } from './repair-files.ts';
import { requireStoreOf } from './require-identity.ts';
import { refuseOlder } from './rollback.ts';
import { CHECKPOINT_FILE } from './store/checkpoint-file.ts';
import { chooseStores } from './store/choose-stores.ts';
import type { CommitStoreBackend, LoadedState, LockedStore, StoredState } from './store/commit-store.ts';
import type { TileStore } from './store/tile-store.ts';
import { entriesAt, repairedEdge, type RepairedEdge } from './tree/repaired-edge.ts';
import { requireOwnTiles } from './tree/own-tiles.ts';
import { RequiredFiles } from './tree/required-files.ts';
import {
  edgeHashes,
  readFrom,
  TileSurvey,
  type Damage,
  type EntryJudge,
  type FileSource,
} from './tree/tile-survey.ts';
import { TreeTiles } from './tree/tree-tiles.ts';
import { requireEverySignature, verifyCheckpoint, type CheckpointKey } from './tree/verify-head.ts';

/** What a repair has to know of a kind of log, for one log. Public keys are enough. */
export interface RepairKind<Stored extends StoredEntry> {
  readonly identity: LogIdentity;
  readonly entries: EntryFormat<Stored>;
  readonly keys: readonly CheckpointKey[];
  /** The paths of the files that an entry refers to; their names end with their hashes. */
  readonly companionsOf: (entry: Stored) => readonly string[];
  /** Says what is wrong with an entry; `companion` reads such a file, which is right, or undefined. */
  readonly judge: (companion: (path: string) => Promise<Uint8Array | undefined>) => EntryJudge<Stored>;
  /** Whether the damaged file may be kept: not where it may hold what is to be gone. */
  readonly mayKeep: (path: string) => boolean;
}

/** How a repair goes. */
export interface RepairOptions {
  /** What was found wrong before, with what belongs there. */
  readonly found: readonly Damage[];
  /** Where files may be had that the log has not, the first first. */
  readonly others: readonly FileSource[];
  /** A file beside the log that others derive from it, and what is wrong with it. */
  readonly alsoDerived: (logId: Uint8Array) => Promise<DerivedFault | undefined>;
  readonly isWriting: boolean;
  /** Called after each bundle, with the number of entries that were looked at. */
  readonly progress?: ((entries: number, size: number) => void) | undefined;
}

/** What becomes of a damaged file: `write` what was derived; `renew`: set it aside, the service makes it anew; `none`: nothing says what belongs there. */
export type Remedy = 'write' | 'renew' | 'none';

/** A damaged file, and what can be done. */
export interface RepairItem extends Damage {
  readonly remedy: Remedy;
}

/** What a repair found, and what is left. */
export interface RepairReport {
  readonly size: number;
  readonly items: readonly RepairItem[];
  /** What is damaged still; the same as `items` where nothing was written. */
  readonly left: readonly RepairItem[];
  /** Where the damaged files were kept, inside the log's directory. */
  readonly asideIn: string;
}

/**
 * Looks at the whole log in `directory`, and puts right what is damaged when that is wanted. Throws {@link LogError}: `LOG_LOCKED` while a service writes the log, when something is to be written;
 * `LOG_CORRUPT` for a commit store that cannot be read or whose root comes out of nothing, which says what to restore; `LOG_ROLLED_BACK` for a log that was larger or another before; `LOG_STORAGE`.
 */
export async function repairLog<Stored extends StoredEntry>(
  directory: string,
  kind: RepairKind<Stored>,
  options: RepairOptions,
): Promise<RepairReport> {
  const { commits, tiles } = await chooseStores(directory);
  const damage = await commits.findDamage();
  // Only a start knows where the log is used: a repair of what else is damaged goes on.
  if (damage !== undefined && damage.isRenewed !== true)
    throw new LogError('LOG_CORRUPT', `${damage.where}: ${damage.message}`, { hint: RESTORE_STORE });
  try {
    return await repaired(directory, kind, options, { commits, tiles });
  } finally {
    await tiles.close?.();
  }
}

async function repaired<Stored extends StoredEntry>(
  directory: string,
  kind: RepairKind<Stored>,
  options: RepairOptions,
  { commits, tiles }: { readonly commits: CommitStoreBackend; readonly tiles: TileStore },
): Promise<RepairReport> {
  const aside = new SetAside(directory, kind.mayKeep);
  if (!options.isWriting) {
    const plan = await new Plan(directory, kind, options, tiles, await commits.read()).make();
    return { ...plan.report, left: plan.report.items, asideIn: aside.folder };
  }
  return commits.whileLocked(async (store) => {
    const first = await new Plan(directory, kind, options, tiles, store.state).make();
    await write(directory, first, { aside, tiles, store });
    const others = { ...options, found: [], isWriting: false };
    const { report } = await new Plan(directory, kind, others, tiles, await commits.read()).make();
    return { ...first.report, left: report.items, asideIn: aside.folder };
  });
}

const RESTORE_STORE =
  'Nothing can be derived without it. Put back the newest commit.db, with the -wal that lay beside it; docs/keys-and-backups.md, "Backup and restore".';

interface Planned {
  readonly report: Pick<RepairReport, 'size' | 'items'>;
  /** The right entries of the commit store, by their indexes, where others are there. */
  readonly entries: ReadonlyMap<number, Uint8Array>;
}

/** Writes what is planned, one file after the other. */
async function write(
  directory: string,
  { report: { items }, entries }: Planned,
  {
    aside,
    tiles,
    store,
  }: { readonly aside: SetAside; readonly tiles: TileStore; readonly store: LockedStore },
): Promise<void> {
  for (const { path, right, remedy, kind } of items) {
    if (remedy === 'renew') await aside.move(path);
    if (remedy !== 'write' || right === undefined) continue;
    const there = kind === 'missing' ? undefined : await readFrom(fileSource(directory, tiles), path);
    if (there?.bytes !== undefined) await aside.keep(path, there.bytes);
    await aside.put(path, right, tiles, kind === 'missing');
  }
  if (entries.size === 0) return;
  await store.rewrite((index) => entries.get(index));
}

/** The log's own files: those of its tile store, and those beside it. */
const fileSource = (directory: string, tiles: TileStore): FileSource => ({
  name: 'the log',
  get: (path) => {
    if (!path.includes('/')) return readLogFile(directory, path);
    // A log keeps no partial tiles.
    return path.includes('.p/') ? Promise.resolve(undefined) : tiles.get(path);
  },
});

class Plan<Stored extends StoredEntry> {
  readonly #directory: string;
  readonly #kind: RepairKind<Stored>;
  readonly #options: RepairOptions;
  readonly #tiles: TileStore;
  readonly #state: LoadedState;
  readonly #stored: FileSource;
  readonly #items: RepairItem[] = [];
  /** What was found out about companion files. */
  readonly #companions = new Map<string, Uint8Array | undefined>();

  constructor(
    directory: string,
    kind: RepairKind<Stored>,
    options: RepairOptions,
    tiles: TileStore,
    state: LoadedState,
  ) {
    this.#directory = directory;
    this.#kind = kind;
    this.#options = options;
    this.#tiles = tiles;
    this.#state = state;
    this.#stored = fileSource(directory, tiles);
    for (const damage of options.found) this.#note(damage);
  }

  async make(): Promise<Planned> {
    const { head, texts } = this.#state;
    const { entries: format, identity, keys } = this.#kind;
    requireStoreOf(identity, this.#state);
    const checkpoint = (await readFrom(this.#stored, CHECKPOINT_FILE)).bytes;
    const log = { entries: format, keys };
    await refuseOlder({ checkpoint, log, state: this.#state, tiles: { get: (path) => this.#get(path) } });
    const proven = await repairedEdge(format, this.#state, this.#stored, this.#options.others);
    if (proven === undefined)
      throw new LogError(
        'LOG_CORRUPT',
        `${texts.source}: the root of the head comes out of nothing that is there`,
        {
          hint: `Too much is damaged at the newest end of the log. ${texts.contradictionHint} Or give a copy with --from.`,
        },
      );
    const judge = this.#kind.judge((path) => this.#companion(path));
    await this.#survey(proven.edge, judge);
    const entries = await this.#committedEntries(proven, judge);
    await this.#ownTiles(proven);
    for (const path of [...this.#companions.keys()]) await this.#companion(path);
    await this.#checkpoint(checkpoint, proven);
    await this.#derived(proven);
    return { report: { size: head.size, items: this.#items }, entries };
  }

  #note(damage: Damage): void {
    this.#items.push({ ...damage, remedy: damage.right === undefined ? 'none' : 'write' });
  }

  async #get(path: string): Promise<Uint8Array | undefined> {
    return (await readFrom(this.#stored, path)).bytes;
  }

  /** Everything in full tiles. */
  async #survey(edge: RepairedEdge['edge'], judge: EntryJudge<Stored>): Promise<void> {
    const { firstEntry: size, head } = this.#state;
    const { entries: format } = this.#kind;
    const hashes = await edgeHashes(size, ({ level, n, width }) =>
      Promise.resolve(edge.hashes(level, n, width) ?? new Uint8Array()),
    );
    const { others, progress } = this.#options;
    const survey = new TileSurvey({ format, size, edge: hashes, stored: this.#stored, others, judge });
    for (let n = 0; n < survey.bundles; n++) {
      const { damage, entries = [] } = await survey.bundle(n);
      for (const one of damage) this.#note(one);
      for (const entry of entries) this.#name(entry);
      progress?.((n + 1) * TILE_WIDTH, head.size);
    }
  }

  #name(entry: Stored): void {
    for (const path of this.#kind.companionsOf(entry))
      if (!this.#companions.has(path)) this.#companions.set(path, undefined);
  }

  /** Those in the commit store: each is what the root says, and right where no hash covers it. */
  async #committedEntries(
    { entries }: RepairedEdge,
    judge: EntryJudge<Stored>,
  ): Promise<ReadonlyMap<number, Uint8Array>> {
    const { firstEntry, entries: stored, texts } = this.#state;
    const { entries: format } = this.#kind;
    const right = new Map<number, Uint8Array>();
    for (const [i, entry] of entries.entries()) {
      const index = firstEntry + i;
      const parsed = format.parse(entry, 0);
      const fault = await judge(parsed, index);
      const better = fault === undefined ? entry : await this.#soundEntry(index, parsed, judge);
      this.#name(better === undefined ? parsed : format.parse(better, 0));
      if (better !== undefined && equalBytes(better, stored[i] ?? new Uint8Array())) continue;
      const message = `entry ${index} is damaged${fault === undefined ? '' : `: ${fault}`}`;
      const damage = { path: texts.name, kind: 'damaged' as const, message };
      // It is written by the store itself.
      this.#items.push({
        ...damage,
        right: undefined,
        from: better && 'a bundle',
        remedy: better ? 'write' : 'none',
      });
      if (better !== undefined) right.set(index, better);
    }
    return right;
  }

  /** An entry with that leaf from a bundle, with which nothing is wrong. */
  async #soundEntry(
    index: number,
    { leaf }: Stored,
    judge: EntryJudge<Stored>,
  ): Promise<Uint8Array | undefined> {
    const { entries: format } = this.#kind;
    const n = Math.floor(index / TILE_WIDTH);
    const width = Math.min(TILE_WIDTH, this.#state.head.size - n * TILE_WIDTH);
    for (const source of [this.#stored, ...this.#options.others]) {
      const other = (await entriesAt(format, source, n, width))[index - n * TILE_WIDTH];
      if (other === undefined) continue;
      const parsed = format.parse(other, 0);
      if (equalBytes(parsed.leaf, leaf) && (await judge(parsed, index)) === undefined) return other;
    }
    return undefined;
  }

  /** Full tiles whose entries are in the commit store, too. One that is not there is written by the next start. */
  async #ownTiles({ edge }: RepairedEdge): Promise<void> {
    const { head, texts } = this.#state;
    const { entries: format } = this.#kind;
    const tiles = {
      get: (path: string) => this.#get(path),
      put: () => Promise.reject(new TypeError('it only reads')),
    };
    await requireOwnTiles({ format, state: this.#state, edge, tiles }, otherHistory).catch(
      (error: unknown) => {
        // A damaged one is put right below.
        if (!(error instanceof LogError) || error.code !== 'LOG_CORRUPT') throw error;
      },
    );
    for (let n = edge.firstTile; (n + 1) * TILE_WIDTH <= head.size; n++)
      for (const { path, bytes } of edge.fullTiles(n)) {
        const { bytes: there, fault } = await readFrom(this.#stored, path);
        if (fault?.kind === 'missing' || (there !== undefined && equalBytes(there, bytes))) continue;
        this.#note({
          path,
          kind: 'damaged',
          message: 'is damaged',
          ...fault,
          right: bytes,
          from: texts.name,
        });
      }
  }

  /** The right bytes of a companion file; a wrong one is noted the first time. */
  async #companion(path: string): Promise<Uint8Array | undefined> {
    const known = this.#companions.get(path);
    if (known !== undefined) return known;
    const isRight = (bytes: Uint8Array | undefined): bytes is Uint8Array =>
      bytes !== undefined && path.endsWith(`/${toHex(sha256(bytes))}`);
    const { bytes, fault } = await readFrom(this.#stored, path);
    let right = isRight(bytes) ? bytes : undefined;
    let from: string | undefined;
    for (const other of right === undefined ? this.#options.others : []) {
      const there = (await readFrom(other, path)).bytes;
      if (!isRight(there)) continue;
      [right, from] = [there, other.name];
      break;
    }
    this.#companions.set(path, right);
    const wrong = fault ?? { kind: 'damaged' as const, message: 'is damaged: its hash is not its name' };
    const isNew = !this.#items.some((item) => item.path === path);
    if (!isRight(bytes) && isNew) this.#note({ path, ...wrong, right, from });
    return right;
  }

  /** One that is damaged is signed anew by the service, unless the log has ended. */
  async #checkpoint(bytes: Uint8Array | undefined, proven: RepairedEdge): Promise<void> {
    const { frozenAt } = this.#state;
    const fault = bytes === undefined ? 'is missing' : await this.#checkpointFault(bytes, proven);
    if (fault === undefined) return;
    const kind = bytes === undefined ? ('missing' as const) : ('damaged' as const);
    const damage = { path: CHECKPOINT_FILE, kind, message: fault };
    for (const other of this.#options.others) {
      const there = (await readFrom(other, CHECKPOINT_FILE)).bytes;
      if (there === undefined || (await this.#checkpointFault(there, proven)) !== undefined) continue;
      this.#note({ ...damage, right: there, from: other.name });
      return;
    }
    // One that is not there is written by the next start.
    if (bytes === undefined && frozenAt === undefined) return;
    const remedy = frozenAt === undefined ? 'renew' : 'none';
    this.#items.push({ ...damage, right: undefined, from: undefined, remedy });
  }

  async #checkpointFault(bytes: Uint8Array, proven: RepairedEdge): Promise<string | undefined> {
    const { head, frozenAt } = this.#state;
    try {
      const verified = verifyCheckpoint(bytes, this.#kind.keys);
      requireEverySignature(verified, this.#kind.keys);
      const { size, root } = verified;
      if (size > head.size || (frozenAt !== undefined && size !== head.size))
        return 'is of another size of the log';
      if (size === 0 || this.#hasWrongTiles) return undefined;
      const own =
        size === head.size
          ? head.root
          : await rootFrom(sha256, size, this.#reader(proven).hashesAt(head.size));
      const { timestamp = head.timestamp } = verified;
      if (equalBytes(own, root) && size === head.size && timestamp !== head.timestamp)
        throw otherTime(this.#state);
      if (equalBytes(own, root)) return undefined;
    } catch (error) {
      if (error instanceof WrongStore) throw error;
      if (error instanceof LogError || error instanceof FormatError) return `is damaged: ${error.message}`;
      throw error;
    }
    throw otherHistory(CHECKPOINT_FILE);
  }

  get #hasWrongTiles(): boolean {
    return this.#items.some(({ path }) => path.startsWith('tile/'));
  }

  #reader({ edge }: RepairedEdge): TreeTiles<Stored> {
    return new TreeTiles(this.#kind.entries, edge, new RequiredFiles(this.#tiles, 0));
  }

  /** Held to tiles that are right: while some are not, the next run finds it. */
  async #derived(proven: RepairedEdge): Promise<void> {
    if (this.#hasWrongTiles) return;
    const { size } = this.#state.head;
    const { logId } = this.#kind.identity;
    const read = (tile: Tile): Promise<Uint8Array> => this.#reader(proven).tile(tile);
    const faults = [
      await findDerivedFault(this.#directory, logId, size, read),
      await this.#options.alsoDerived(logId),
    ];
    for (const fault of faults)
      if (fault !== undefined)
        this.#items.push({
          path: fault.where,
          kind: 'damaged',
          message: fault.message,
          right: undefined,
          from: undefined,
          remedy: 'renew',
        });
  }
}

/** What no repair of files changes. */
class WrongStore extends LogError {}

const otherTime = ({ texts }: LoadedState): WrongStore =>
  new WrongStore(
    'LOG_CORRUPT',
    `${texts.name}: the time of its head is not that of the signed ${CHECKPOINT_FILE}`,
    {
      hint: RESTORE_STORE,
    },
  );

const otherHistory = (path: string): LogError =>
  new LogError('LOG_ROLLED_BACK', `${path} is whole, and of another history of this log`, {
    hint: 'Nothing was changed. An old commit store was put back, or two services wrote one log: put back the newest store; docs/keys-and-backups.md, "Backup and restore".',
  });

/** A directory with a copy of the log, an export or a mirror of it. Where it has a commit store, the newest entries are read from that. */
export function directorySource(directory: string, name: string, bundle: BundleName): FileSource {
  let state: Promise<StoredState | undefined> | undefined;
  const newest = async (path: string): Promise<Uint8Array | undefined> => {
    if (!path.startsWith(`tile/${bundle}/`)) return undefined;
    const { n, width } = parseTilePath(path, bundle);
    // A copy may be damaged itself, or have no store.
    state ??= chooseStores(directory)
      .then(({ commits }) => commits.read())
      .catch(() => undefined);
    const { firstEntry = 0, entries = [] } = (await state) ?? {};
    const from = n * TILE_WIDTH - firstEntry;
    const found = from < 0 ? [] : entries.slice(from, from + width);
    return found.length === width ? concat(found) : undefined;
  };
  return {
    name,
    get: async (path) => (await readLogFile(directory, path)) ?? newest(path),
  };
}

/** The identity that a log's commit store keeps, where `log.json` is damaged: with what belongs into the file. `parse` reads a text of `log.json`, `keysOf` has the keys of an identity. Throws `cause`, which says what is
 * wrong with `log.json`, unless the store's identity is proven: by its id, and by the signed checkpoint. */
export async function identityFromStore<Identity extends LogIdentity>(
  directory: string,
  parse: (text: string) => Identity,
  keysOf: (identity: Identity) => readonly CheckpointKey[],
  cause: unknown,
): Promise<{ readonly identity: Identity; readonly found: Damage }> {
  const { identity: stored } = await (await chooseStores(directory)).commits.read();
  const checkpoint = await readLogFile(directory, CHECKPOINT_FILE);
  if (stored.bound === undefined || checkpoint === undefined) throw cause;
  try {
    const identity = parse(stored.bound);
    verifyCheckpoint(checkpoint, keysOf(identity));
    if (!equalBytes(identity.logId, stored.logId)) throw cause;
    const message = messageOf(cause).replaceAll(join(directory, 'log.json'), 'it');
    const right = utf8(stored.bound);
    return { identity, found: { path: 'log.json', kind: 'damaged', message, right, from: 'commit.db' } };
  } catch {
    throw cause;
  }
}
