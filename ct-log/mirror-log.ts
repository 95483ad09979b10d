/** A copy of a log of others that is verified as it grows: any log of static-ct-api or tlog-tiles, that of Rekor v2 among them. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { equalBytes, toBase64, toHex, utf8Text } from '../core/bytes.ts';
import { FormatError, messageOf, systemCode } from '../core/errors.ts';
import { LogError, LogReadError } from '../tlog/core/log-error.ts';
import { readLogFile } from '../tlog/core/log-file.ts';
import { sha256 } from '../tlog/core/sha256.ts';
import type { EntryFormat, StoredEntry } from '../tlog/format/entry-format.ts';
import { parseCheckpoint } from '../tlog/format/checkpoint.ts';
import { HASH_LENGTH } from '../tlog/format/merkle.ts';
import { TILE_WIDTH, tilePath, tileWidth, type BundleName, type Tile } from '../tlog/format/tile.ts';
import { CHECKPOINT_FILE } from '../tlog/store/checkpoint-file.ts';
import { copyingAlone, LogCopy } from '../tlog/store/log-copy.ts';
import { TILED_ENTRIES } from '../tlog/tree/entry-bundle.ts';
import {
  requireEverySignature,
  verifyCheckpoint,
  type VerifiedCheckpoint,
} from '../tlog/tree/verify-head.ts';
import { chainCertificatePath } from './chain-certificates.ts';
import { parseLogV3Json } from './format/log-v3-json.ts';
import {
  keepContradiction,
  readMirrorRecord,
  writeMirrorRecord,
  type Contradiction,
  type MirrorRecord,
} from './mirror-record.ts';
import { ProvenTiles, WrongFile } from './proven-tiles.ts';
import { DESCRIPTION_FILE, staticSource, type StaticSource } from './static-source.ts';
import { TILE_LEAVES } from './tile-leaves.ts';

/** How the entries lie in the bundles of each name. */
const FORMATS: Readonly<Record<BundleName, EntryFormat>> = { data: TILE_LEAVES, entries: TILED_ENTRIES };

/** The newest head that was verified, while its tiles are on their way into the copy. Until then the copy is of the head in `checkpoint`. */
const PENDING_FILE = '.pending';

/** What is copied, and where to. */
interface MirrorOptions {
  readonly source: StaticSource;
  readonly record: MirrorRecord;
  /** Where the files go; made if it is not there. */
  readonly out: string;
  /** Bundles that are asked for at once. */
  readonly parallel: number;
  /** Called after each bundle with the number of entries that are done, of how many. */
  readonly progress?: ((done: number, all: number) => void) | undefined;
  /** Milliseconds that another writer of the directory is waited for; default: two minutes. */
  readonly waitMs?: number | undefined;
}

/** What one look at the log brought. */
interface MirrorRound {
  /** The head that the copy is of now. */
  readonly head: VerifiedCheckpoint;
  /** Entries that are new in the copy. */
  readonly added: number;
  /** Files that were written. */
  readonly written: number;
  /** Entries among the new ones that the log withholds. */
  readonly withheld: number;
  /** Whether the log says that it has ended with this head. */
  readonly isFinal: boolean;
}

const WAIT_MS = 120_000;

/**
 * Brings the copy in `out` to the newest head of the log, or begins it. The head has to be signed with every key of the record and to continue the one that the copy is of; each tile, bundle and chain certificate is
 * proven to be of the tree of that head before it is written, durably. The checkpoint is written last, so that a reader of the copy finds all that its checkpoint implies, and a crash at
 * any moment leaves a copy of the head before, which the next run goes on from. No file that is there is written again.
 *
 * Throws {@link LogError}: `LOG_CORRUPT` where the log contradicts what it signed, `LOG_ROLLED_BACK` where it shows a head that is older than one it showed before; what proves it
 * is in the folder `contradictions` then. `LOG_STORAGE` when it cannot be read, `LOG_EXISTS` when the directory holds something else, `LOG_LOCKED` when another writer of the directory does not end in time; and the system's errors.
 */
export function mirrorLog(options: MirrorOptions): Promise<MirrorRound> {
  const { out, waitMs = WAIT_MS } = options;
  return copyingAlone(out, waitMs, async () => {
    await requireOwn(options);
    return new Mirror(options).round();
  });
}

/** A head with the note that says so. */
interface SignedText {
  readonly head: VerifiedCheckpoint;
  readonly bytes: Uint8Array;
}

class Mirror {
  readonly #options: MirrorOptions;
  readonly #copy: LogCopy;
  readonly #certificates = new Map<string, Promise<void>>();
  #withheld = 0;
  #done = 0;

  constructor(options: MirrorOptions) {
    this.#options = options;
    this.#copy = new LogCopy(options.out);
  }

  async round(): Promise<MirrorRound> {
    const kept = await this.#own(CHECKPOINT_FILE);
    const pending = await this.#own(PENDING_FILE);
    const shown = await this.#shown(kept);
    const tiles = new ProvenTiles(this.#options.source, this.#format, shown.head);
    await this.#judged(shown, () => this.#requireContinued(tiles, shown, kept, pending));
    const description = await this.#description();
    const isNew = kept === undefined || shown.head.size > kept.head.size;
    if (isNew) {
      await this.#copy.keep(PENDING_FILE, shown.bytes);
      await this.#judged(shown, () => this.#copyTiles(tiles, kept?.head.size ?? 0, shown.head.size));
    }
    if (description !== undefined) await this.#copy.renew(DESCRIPTION_FILE, description.bytes);
    if (isNew || isNewer(shown, kept)) await this.#copy.replace(CHECKPOINT_FILE, shown.bytes);
    // A crash may have left both after the last head was reached.
    if (isNew || pending !== undefined)
      await this.#tidy(shown.head.size, kept?.head.size ?? 0, pending?.head.size);
    const { head } = shown;
    const final = description?.final;
    const isFinal = final?.size === head.size && final.root === toBase64(head.root);
    const added = head.size - (kept?.head.size ?? 0);
    return { head, added, written: this.#copy.written, withheld: this.#withheld, isFinal };
  }

  get #format(): EntryFormat {
    return FORMATS[this.#options.record.bundle];
  }

  /** A head of the copy's own; it was verified before it was written. */
  async #own(name: string): Promise<SignedText | undefined> {
    const { out, record } = this.#options;
    const bytes = await readLogFile(out, name);
    if (bytes === undefined || bytes.length === 0) return undefined;
    try {
      return { bytes, head: verifyCheckpoint(bytes, record.keys) };
    } catch (error) {
      const message = `${join(out, name)} is damaged: ${messageOf(error)}`;
      throw new LogError('LOG_STORAGE', message, {
        cause: error,
        hint: 'This says nothing of the log. Put the file back from a backup, or begin another copy.',
      });
    }
  }

  /** The head of now, its signatures checked. */
  async #shown(kept: SignedText | undefined): Promise<SignedText> {
    const { source, record } = this.#options;
    const bytes = await source.checkpoint().catch((cause: unknown) => {
      if (!(cause instanceof LogReadError)) throw cause;
      throw new LogError('LOG_STORAGE', `${source.name} does not serve a checkpoint`, { cause });
    });
    const { origin } = parseCheckpoint(bytes);
    if (origin !== record.origin)
      throw new LogError('LOG_STORAGE', `${source.name} serves the log "${origin}", not "${record.origin}"`, {
        hint: 'Give the address of the log that the copy is of, or another directory.',
      });
    try {
      const head = verifyCheckpoint(bytes, record.keys);
      requireEverySignature(head, record.keys);
      return { bytes, head };
    } catch (error) {
      if (!(error instanceof LogError) && !(error instanceof FormatError)) throw error;
      throw await this.#contradiction({ problem: messageOf(error), kept: kept?.bytes, shown: bytes });
    }
  }

  /** The head has to continue the one that the copy is of, and the one that it was to be of when a run was broken off. */
  async #requireContinued(
    tiles: ProvenTiles,
    shown: SignedText,
    kept: SignedText | undefined,
    pending: SignedText | undefined,
  ): Promise<void> {
    await tiles.proveEdge();
    for (const before of [kept, pending]) {
      if (before === undefined) continue;
      if (shown.head.size < before.head.size) throw await this.#steppedBack(shown, before, kept);
      const rootAtKept = await tiles.rootAt(before.head.size);
      if (equalBytes(rootAtKept, before.head.root)) continue;
      const problem = `its head with ${shown.head.size} entries does not continue the one with ${before.head.size} that it signed before`;
      const fork = { rootAtKept, consistency: await tiles.consistency(before.head.size) };
      throw await this.#contradiction({ problem, kept: before.bytes, shown: shown.bytes, fork });
    }
  }

  /** A head that is older, or of another history: of the whole copy it can be computed which. */
  async #steppedBack(shown: SignedText, before: SignedText, kept: SignedText | undefined): Promise<LogError> {
    const { out, record } = this.#options;
    const { size, root } = shown.head;
    const texts = { kept: before.bytes, shown: shown.bytes };
    if (kept !== undefined && size <= kept.head.size) {
      const own = new ProvenTiles(staticSource(out, undefined, record.bundle), this.#format, kept.head);
      const rootThere = await own.rootAt(size);
      if (!equalBytes(rootThere, root)) {
        const problem = `its head with ${size} entries is of another history than the one with ${kept.head.size} that it signed before`;
        const fork = { rootAtKept: rootThere, consistency: await own.consistency(size) };
        return this.#contradiction({ ...texts, problem, kept: kept.bytes, fork });
      }
    }
    const problem = `it shows a head with ${size} entries, and showed one with ${before.head.size} before`;
    return this.#contradiction({ ...texts, problem }, 'LOG_ROLLED_BACK');
  }

  /** Keeps what proves it. */
  async #contradiction(
    contradiction: Contradiction,
    code: 'LOG_CORRUPT' | 'LOG_ROLLED_BACK' = 'LOG_CORRUPT',
  ): Promise<LogError> {
    const { out, record, source } = this.#options;
    const path = await keepContradiction(this.#copy, contradiction);
    const message = `the log ${record.origin} at ${source.name} contradicts itself: ${contradiction.problem}`;
    const where =
      path === undefined
        ? `${join(out, 'contradictions')} has so many already that this one was not kept`
        : `${join(out, path)} has what it showed`;
    return new LogError(code, message, {
      hint: `Nothing of it was kept in the copy. ${where}; keep that, and ask who runs the log.`,
    });
  }

  /** Does `work`; keeps what is served in the place of what the head signs. */
  async #judged(shown: SignedText, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof WrongFile)) throw error;
      throw await this.#contradiction({ problem: error.message, shown: shown.bytes, file: error });
    }
  }

  async #copyTiles(tiles: ProvenTiles, from: number, size: number): Promise<void> {
    const { parallel, record } = this.#options;
    await inParallel(newTiles(from, size), parallel, async ({ level, n, width }) => {
      const length = width * HASH_LENGTH;
      await this.#copy.add(tilePath({ level, n, width }), () => tiles.tile(level, n), length);
      if (level > 0) return;
      await this.#copy.add(tilePath({ level: record.bundle, n, width }), () => this.#bundle(tiles, n));
      this.#done += width;
      this.#options.progress?.(this.#done, size - Math.floor(from / TILE_WIDTH) * TILE_WIDTH);
    });
  }

  /** With what its entries refer to: that is there before they are. */
  async #bundle(tiles: ProvenTiles, n: number): Promise<Uint8Array> {
    const { bytes, entries, withheld } = await tiles.bundle(n);
    this.#withheld += withheld;
    for (const hex of new Set(entries.flatMap(fingerprintsOf))) await this.#chainCertificate(tiles, hex);
    return bytes;
  }

  #chainCertificate(tiles: ProvenTiles, hex: string): Promise<void> {
    const add = (): Promise<void> =>
      this.#copy.add(chainCertificatePath(hex), () => tiles.chainCertificate(hex));
    const known = this.#certificates.get(hex) ?? add();
    // A log of the whole world has some thousands.
    if (this.#certificates.size >= REMEMBERED) this.#certificates.clear();
    this.#certificates.set(hex, known);
    return known;
  }

  /** `log.v3.json`, where the log has one and it is of a key of the record: it has no signature, and decides nothing but whether the log is followed on. */
  async #description(): Promise<
    { readonly bytes: Uint8Array; readonly final: ReturnType<typeof parseLogV3Json>['final'] } | undefined
  > {
    const { source, record } = this.#options;
    if (record.bundle !== 'data') return undefined;
    try {
      const bytes = await source.description();
      const { publicKey, origin, final } = parseLogV3Json(sha256, utf8Text(bytes));
      const isOwn =
        origin === record.origin &&
        record.keys.every(({ type, key }) => type !== 'static-ct' || equalBytes(key, publicKey));
      return isOwn ? { bytes, final } : undefined;
    } catch (error) {
      if (error instanceof LogReadError || error instanceof FormatError) return undefined;
      throw error;
    }
  }

  /** Partial tiles of a full one, and those of heads before the last one, are not needed any more: readers of an older checkpoint take the full one. */
  async #tidy(size: number, before: number, pending: number | undefined): Promise<void> {
    const { record } = this.#options;
    for (const from of new Set([before, pending ?? before]))
      for (const level of [0, 1, 2, 3, 4, 5]) {
        const n = Math.floor(from / TILE_WIDTH ** (level + 1));
        const widths = [size, before].map((one) => String(tileWidth(level, n, one)));
        const wanted = new Set(tileWidth(level, n, size) === TILE_WIDTH ? [] : widths);
        for (const name of level === 0 ? [0, record.bundle] : [level])
          await this.#copy.removePartials(`${tilePath({ level: name, n, width: TILE_WIDTH })}.p`, wanted);
      }
    await this.#copy.remove(PENDING_FILE);
  }
}

/** Chain certificates that are known to be there. */
const REMEMBERED = 10_000;

/** SHA-256 in hexadecimal of each certificate that an entry refers to. */
function fingerprintsOf(entry: StoredEntry & { readonly chainFingerprints?: Uint8Array }): string[] {
  const { chainFingerprints: hashes = new Uint8Array() } = entry;
  return Array.from({ length: hashes.length / 32 }, (_, i) => toHex(hashes.subarray(32 * i, 32 * (i + 1))));
}

/** Whether it says more than the one that is kept, of the same tree: it is of a later time, or has other cosignatures. */
function isNewer(shown: SignedText, kept: SignedText | undefined): boolean {
  if (kept === undefined || equalBytes(shown.bytes, kept.bytes)) return kept === undefined;
  return (shown.head.timestamp ?? 0) >= (kept.head.timestamp ?? 0);
}

/** The hash tiles of a tree of `size` entries that are not those of `from` entries, those that begin with the same bytes among them. */
function* newTiles(from: number, size: number): Generator<Tile & { readonly level: number }> {
  for (let level = 0; tileWidth(level, 0, size) > 0; level++) {
    const first = Math.floor(from / TILE_WIDTH ** (level + 1));
    for (let n = first; tileWidth(level, n, size) > 0; n++)
      yield { level, n, width: tileWidth(level, n, size) };
  }
}

/** Does `work` for each of `items`, at most `limit` at once. After a failure no more is begun; rejects with the first one when all that was begun has ended. */
async function inParallel<T>(
  items: Iterable<T>,
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const left = items[Symbol.iterator]();
  const failures: unknown[] = [];
  const one = async (): Promise<void> => {
    for (let next = left.next(); next.done !== true && failures.length === 0; next = left.next())
      await work(next.value).catch((error: unknown) => failures.push(error));
  };
  await Promise.all(Array.from({ length: limit }, one));
  if (failures.length > 0) throw failures[0];
}

/** Begins a copy in an empty directory; one that is there has to be of this log. Throws LogError `LOG_EXISTS`. */
async function requireOwn({ out, record }: MirrorOptions): Promise<void> {
  const there = await readMirrorRecord(out);
  if (there === undefined) {
    await requireEmpty(out);
    await writeMirrorRecord(new LogCopy(out), record);
    return;
  }
  const isSame =
    there.origin === record.origin &&
    there.bundle === record.bundle &&
    there.keys.length === record.keys.length &&
    there.keys.every(({ key }) => record.keys.some((other) => equalBytes(other.key, key)));
  if (isSame) return;
  throw new LogError(
    'LOG_EXISTS',
    `${out} holds a copy of the log ${there.origin}, with other keys or another name`,
    {
      hint: 'Name another directory for this log.',
    },
  );
}

async function requireEmpty(out: string): Promise<void> {
  const names = await readdir(out).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  });
  // A name with a dot in front may be what a crash left of a file.
  const foreign = names.find((name) => !name.startsWith('.'));
  if (foreign === undefined) return;
  throw new LogError('LOG_EXISTS', `${out} holds "${foreign}", which is of no mirror`, {
    hint: 'Name an empty directory, or one that is not there.',
  });
}

/** What was found in a copy. */
interface CheckedCopy {
  readonly head: VerifiedCheckpoint;
  /** That says so. */
  readonly checkpoint: Uint8Array;
  readonly tiles: number;
  readonly withheld: number;
}

/** Reads every byte of the copy in `out` and holds it to its head. Throws {@link LogError} as {@link ProvenTiles} does, `LOG_CORRUPT` for what is wrong. */
export async function checkMirror(
  out: string,
  record: MirrorRecord,
  progress?: (entries: number) => void,
): Promise<CheckedCopy> {
  const source = staticSource(out, undefined, record.bundle);
  const checkpoint = await source.checkpoint();
  const head = verifyCheckpoint(checkpoint, record.keys);
  requireEverySignature(head, record.keys);
  const tiles = new ProvenTiles(source, FORMATS[record.bundle], head);
  await tiles.proveEdge();
  let count = 0;
  let withheld = 0;
  for (const { level, n } of newTiles(0, head.size)) {
    await tiles.tile(level, n);
    count++;
    if (level > 0) continue;
    withheld += (await tiles.bundle(n)).withheld;
    count++;
    progress?.(Math.min((n + 1) * TILE_WIDTH, head.size));
  }
  return { head, checkpoint, tiles: count, withheld };
}
