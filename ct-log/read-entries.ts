/** The entries of the read side (RFC 6962 §4.6), with their chains, and how much one answer may hold. */
import { toHex } from '../core/bytes.ts';
import { encodeChain, entryJson, type EntryJson } from './entry-json.ts';
import type { TileLeaf } from './format/leaf.ts';
import type { PublishedTree } from '../tlog/published-tree.ts';
import { TILE_WIDTH } from '../tlog/format/tile.ts';
import { chainCertificatePath } from './chain-certificates.ts';
import { LogReadError } from '../tlog/core/log-error.ts';
import { badParameter, isCount } from './read-parameters.ts';
import { sha256 } from '../tlog/core/sha256.ts';

/** Entries of one get-entries answer, at most; as many as Google's log server returns. Some monitors ask once for all
 * that is new and take the answer for all: they must be able to count on this number. */
export const MAX_ENTRIES = 1000;
/** Bytes of leaf and chain, in base64, in one get-entries answer, beyond which it ends (but it has at least one entry). Only
 * entries of more than 8 KiB each reach it before {@link MAX_ENTRIES}; those of CI providers have about 6. */
export const MAX_ENTRIES_BYTES = 8 * 1024 * 1024;

/** Entries after which an answer lets others have the event loop: issuing must not wait for a whole answer. */
const ENTRIES_PER_TURN = 32;

const otherWork = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

/** Reads entries and chain certificates; throws {@link LogReadError}. */
export class EntryReads {
  readonly #tree: PublishedTree<TileLeaf>;
  readonly #size: () => number;
  readonly #certificates: ReadonlyMap<string, Uint8Array>;
  /** Encoded chains by their fingerprints: as many as this log ever had issuing chains. */
  readonly #chains = new Map<string, Uint8Array>();

  /** `chain`: DER of the certificates that are known without reading the store; `size` is the published one. */
  constructor(tree: PublishedTree<TileLeaf>, chain: readonly Uint8Array[], size: () => number) {
    this.#tree = tree;
    this.#size = size;
    this.#certificates = new Map(chain.map((certificate) => [toHex(sha256(certificate)), certificate]));
  }

  async chainCertificate(hex: string): Promise<Uint8Array> {
    const known = this.#certificates.get(hex);
    if (known !== undefined) return known;
    const path = chainCertificatePath(hex);
    const stored = /^[0-9a-f]{64}$/.test(hex) ? await this.#tree.files.find(path) : undefined;
    if (stored === undefined) throw new LogReadError('NOT_FOUND', 'no entry names an issuer with this hash');
    return stored;
  }

  async entries(start: number, end: number): Promise<{ entries: EntryJson[] }> {
    if (!isCount(start) || !isCount(end) || start > end) throw badParameter('start must not exceed end');
    const size = this.#size();
    if (start >= size) throw badParameter(`the tree has ${size} entries; start must be below that`);
    const stop = Math.min(end + 1, size, start + MAX_ENTRIES);
    const entries: EntryJson[] = [];
    let bytes = 0;
    for (let at = start; at < stop && (bytes < MAX_ENTRIES_BYTES || entries.length === 0);) {
      const tile = await this.#from(at, stop);
      for (const entry of tile) {
        if (bytes >= MAX_ENTRIES_BYTES) break;
        const json = await this.#json(entry);
        bytes += json.leaf_input.length + json.extra_data.length;
        entries.push(json);
        if (entries.length % ENTRIES_PER_TURN === 0) await otherWork();
      }
      at += tile.length;
    }
    return { entries };
  }

  /** The entry at `index`, which must be below the published size. */
  async entry(index: number): Promise<EntryJson> {
    const [entry] = await this.#from(index, index + 1);
    if (entry === undefined) throw badParameter('leaf_index must be below tree_size');
    return this.#json(entry);
  }

  /** The entries from `start` to the end of its data tile, or to `stop`. */
  async #from(start: number, stop: number): Promise<TileLeaf[]> {
    const n = Math.floor(start / TILE_WIDTH);
    const width = Math.min(TILE_WIDTH, stop - n * TILE_WIDTH);
    return (await this.#tree.tiles.entries(n, width)).slice(start - n * TILE_WIDTH);
  }

  /** A chain certificate that an entry names. It was stored before the entry: that it is missing is a fault of the log. */
  async #namedCertificate(hex: string): Promise<Uint8Array> {
    const path = chainCertificatePath(hex);
    return this.#certificates.get(hex) ?? (await this.#tree.files.read(path, (der) => der));
  }

  async #json(entry: TileLeaf): Promise<EntryJson> {
    const name = toHex(entry.chainFingerprints);
    const known = this.#chains.get(name);
    if (known !== undefined) return entryJson(entry, known);
    const chain = await encodeChain(entry.chainFingerprints, (hash) => this.#namedCertificate(toHex(hash)));
    this.#chains.set(name, chain);
    return entryJson(entry, chain);
  }
}
