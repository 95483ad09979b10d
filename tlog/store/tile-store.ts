/**
 * The large, immutable part of a log: full hash tiles, full bundles of entries, companion files. Names are the paths under
 * which they are served (`tile/0/x001/000`, `tile/data/000`, `issuer/<hex>`).
 *
 * Not trusted: every byte that comes back is checked against the committed head before it is signed again, and
 * `mayfly log check` checks all of them.
 */
import { LogError } from '../core/log-error.ts';

/** Only these may be put: full tiles, and files named by their hash in a folder. */
const PATH = /^(?:tile\/(?:data|entries|[0-9]{1,2})(?:\/x[0-9]{3})*\/[0-9]{3}|[a-z]{1,32}\/[0-9a-f]{64})$/;

/** Throws {@link LogError} `LOG_STORAGE` unless `path` is that of a full tile or a companion file. */
export function requireStorePath(path: string): void {
  if (PATH.test(path)) return;
  throw new LogError('LOG_STORAGE', `"${path}" is not the path of a tile or of a file that its hash names`);
}

/** Those of `names` that a hash can have, sorted. */
export const hashesAmong = (names: readonly string[]): string[] =>
  names.filter((name) => /^[0-9a-f]{64}$/.test(name)).sort();

/** Where full tiles and companion files are. */
export interface TileStore {
  /** Durable on return. A path's bytes never change: the same bytes again are accepted (and made durable again, for
   * the first time may have failed half-way), others are refused with LogError `LOG_CORRUPT`. A reader never sees a
   * part of the bytes. */
  put(path: string, bytes: Uint8Array): Promise<void>;
  /** The bytes, or undefined when nothing was put there. */
  get(path: string): Promise<Uint8Array | undefined>;
  /** Puts other bytes in the place of those that are there, for entries that are withheld. Durable on return; a crash leaves the old bytes or the new ones. Only while nobody
   * writes to the log. Absent where others keep copies of what was put, so that nothing can be taken back. */
  readonly replace?: (path: string, bytes: Uint8Array) => Promise<void>;
  /** For stores that others read in the place of the service. */
  readonly published?: PublishedFiles;
  /** Finds out, before the first put, whether the store can keep these promises; resolves with a sentence for the operator. Absent where that is known.
   * Rejects with LogError `LOG_UNSUITABLE_STORAGE` when it cannot, and `LOG_STORAGE` when it does not answer. */
  readonly probe?: () => Promise<string>;
  /** Ends what serves the store. Idempotent. Absent where nothing does. */
  readonly close?: () => Promise<void>;
}

/** Name of the file in which a certificate log says of itself who it is. */
export const DESCRIPTION_FILE = 'log.v3.json';

/** What readers need beside full tiles, where a store alone is the log that they read. */
export interface PublishedFiles {
  /** As operators know the store. */
  readonly name: string;
  /** The checkpoint that was put last, or undefined. */
  checkpoint(): Promise<Uint8Array | undefined>;
  /** Puts a checkpoint, unless the one that is there is of as many entries or more. To be called when everything that it implies was put. */
  putCheckpoint(bytes: Uint8Array): Promise<void>;
  /** What the log says of itself there, or undefined. */
  description(): Promise<Uint8Array | undefined>;
  /** Puts that in the place of what is there. */
  putDescription(bytes: Uint8Array): Promise<void>;
  /** Puts a partial tile, which never changes. */
  putPartial(path: string, bytes: Uint8Array): Promise<void>;
  /** Removes the partial tiles of the full one at `path`, as far as that can be done. Never rejects. */
  removePartials(path: string): Promise<void>;
}

/** A tile store whose companion files can be listed. */
export interface ListedTileStore extends TileStore {
  /** The names of the files in a folder of companion files, which are their hashes in hexadecimal, sorted. */
  names(folder: string): Promise<string[]>;
}

/** A tile store of whose bundles entries can be withheld. */
export type RewritableTileStore = TileStore & Required<Pick<TileStore, 'replace'>>;
