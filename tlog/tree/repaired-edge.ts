/** The right edge of the tree where a file at it is damaged: what else a file may be is tried until the committed root comes out. */
import { equalBytes } from '../../core/bytes.ts';
import { LogError } from '../core/log-error.ts';
import type { EntryFormat, StoredEntry } from '../format/entry-format.ts';
import { TILE_WIDTH, tilePath, tileWidth } from '../format/tile.ts';
import type { LoadedState } from '../store/commit-store.ts';
import { splitBundle } from './entry-bundle.ts';
import { provenEdge } from './rebuild-edge.ts';
import type { TreeEdge } from './tree-edge.ts';
import { choices, readFrom, TileSurvey, type FileSource } from './tile-survey.ts';

/** An edge whose root is that of the head, and the right entries of the commit store. */
export interface RepairedEdge {
  readonly edge: TreeEdge;
  readonly entries: readonly Uint8Array[];
}

/** The edge of the committed tree, from the log's own files where they are right, and from what can be derived or is in `others` where they are not. Undefined where the root of the head comes out of
 * none of that. */
export async function repairedEdge<Stored extends StoredEntry>(
  format: EntryFormat<Stored>,
  state: LoadedState,
  stored: FileSource,
  others: readonly FileSource[],
): Promise<RepairedEdge | undefined> {
  const asStored = await edgeOr(format, state, (path) => stored.get(path));
  if (asStored !== undefined) return { edge: asStored, entries: state.entries };
  const paths: string[] = [];
  const slots: Uint8Array[][] = [];
  const survey = new TileSurvey({
    format,
    size: state.firstEntry,
    edge: () => new Uint8Array(),
    stored,
    others,
  });
  for (const { level, n } of tilesAtEdge(state.firstEntry)) {
    paths.push(tilePath({ level, n, width: TILE_WIDTH }));
    slots.push(await survey.candidatesAt(level, n));
  }
  if (slots.some((slot) => slot.length === 0)) return undefined;
  const histories = [state.entries, ...(await otherEntries(format, state, [stored, ...others]))];
  for (const choice of choices<Uint8Array | readonly Uint8Array[]>([...slots, histories])) {
    const entries = choice.at(-1) as readonly Uint8Array[];
    const tiles = new Map(paths.map((path, i) => [path, choice[i] as Uint8Array]));
    const edge = await edgeOr(format, { ...state, entries }, (path) => Promise.resolve(tiles.get(path)));
    if (edge !== undefined) return { edge, entries };
  }
  return undefined;
}

async function edgeOr(
  format: EntryFormat,
  state: LoadedState,
  get: FileSource['get'],
): Promise<TreeEdge | undefined> {
  try {
    return await provenEdge(format, state, {
      get: async (path) => (await readFrom({ name: '', get }, path)).bytes,
    });
  } catch (error) {
    if (error instanceof LogError && error.code === 'LOG_CORRUPT') return undefined;
    throw error;
  }
}

/** The full tiles that lie in no full tile of the level above. */
function* tilesAtEdge(size: number): Generator<{ readonly level: number; readonly n: number }> {
  for (let level = 0; TILE_WIDTH ** (level + 1) <= size; level++) {
    const end = Math.floor(size / TILE_WIDTH ** (level + 1));
    for (let n = end - (end % TILE_WIDTH); n < end; n++) yield { level, n };
  }
}

/** The entries of the commit store as bundles have them, full ones or partial ones of a copy; where a source has not all, those of the store are between them. */
async function otherEntries(
  format: EntryFormat,
  { firstEntry, head, entries }: LoadedState,
  sources: readonly FileSource[],
): Promise<(readonly Uint8Array[])[]> {
  const found: (readonly Uint8Array[])[] = [];
  for (const source of sources) {
    const other = [...entries];
    for (let n = firstEntry / TILE_WIDTH; n * TILE_WIDTH < head.size; n++) {
      const width = tileWidth(format.bundle, n, head.size);
      const there = await entriesAt(format, source, n, width);
      other.splice(n * TILE_WIDTH - firstEntry, there.length, ...there);
    }
    if (other.some((entry, i) => !equalBytes(entry, entries[i] ?? new Uint8Array()))) found.push(other);
  }
  return found;
}

/** The first entries of a bundle in another place: all `width`, or none. */
export async function entriesAt(
  format: EntryFormat,
  source: FileSource,
  n: number,
  width: number,
): Promise<readonly Uint8Array[]> {
  for (const wanted of new Set([TILE_WIDTH, width])) {
    const { bytes } = await readFrom(source, tilePath({ level: format.bundle, n, width: wanted }));
    const split = bytes === undefined ? '' : splitBundle(format, bytes, wanted);
    if (typeof split !== 'string') return split.slice(0, width);
  }
  return [];
}
