/**
 * What a power cut leaves of a directory: a disk in memory that takes the changes that kill-at.c recorded, one after the
 * other. What was written, or named, and not synced since may be there after the cut, or in part, or not at all; POSIX promises no order. What
 * SQLite has in shared memory (`-shm`) is left out: it makes that anew.
 */
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

/** One recorded change. */
export interface Change {
  /** w: write, s: sync of a file, d: of a directory, t: cut or lengthen, c: create, r: rename, l: link, u: unlink, m: mkdir. */
  readonly kind: string;
  /** Its inode, where it still had one. */
  readonly file: number;
  /** Offset of a write; size of a cut. */
  readonly at: number;
  /** What is written; or the path, of `r` and `l` the first. */
  readonly bytes: Buffer;
  /** The second path of `r` and `l`. */
  readonly other: string;
  /** Bytes of the record up to the end of this change. */
  readonly end: number;
}

const HEADER = 40;

/** Reads the record; one that was cut off in the middle of a change ends before that. */
export function readRecord(record: Buffer): Change[] {
  const changes: Change[] = [];
  const number = (at: number): number => Number(record.readBigUInt64LE(at));
  for (let at = 0; at + HEADER <= record.length;) {
    const [kind, file, place] = [number(at), number(at + 8), number(at + 16)];
    const [one, other] = [number(at + 24), number(at + 32)];
    const from = at + HEADER;
    const end = from + one + other;
    if (end > record.length) break;
    const bytes = record.subarray(from, from + one);
    const text = record.toString('utf8', from + one, end);
    changes.push({ kind: String.fromCharCode(kind), file, at: place, bytes, other: text, end });
    at = end;
  }
  return changes;
}

/** What is written over a file: bytes at an offset, or a new size. */
type Write = { readonly at: number; readonly bytes: Buffer } | { readonly size: number };

/** A change of a name: what it leads to afterwards, or that it leads nowhere. */
interface Naming {
  readonly path: string;
  readonly file: DiskFile | 'directory' | undefined;
}

class DiskFile {
  /** What a cut cannot take away. */
  durable: Buffer;
  pending: Write[] = [];

  constructor(durable: Buffer) {
    this.durable = durable;
  }

  sync(): void {
    this.durable = applied(this.durable, this.pending);
    this.pending = [];
  }
}

function applied(content: Buffer, writes: readonly Write[]): Buffer {
  let now = content;
  for (const write of writes) {
    const size = 'size' in write ? write.size : Math.max(now.length, write.at + write.bytes.length);
    const next = Buffer.alloc(size);
    now.copy(next, 0, 0, Math.min(size, now.length));
    if ('bytes' in write) write.bytes.copy(next, write.at);
    now = next;
  }
  return now;
}

/** How a cut treats what was not synced. */
export type CutKind =
  'all is lost' | 'all is there' | 'names without bytes' | 'bytes without names' | 'some is torn';

/** All kinds of cut. */
export const CUT_KINDS: readonly CutKind[] = [
  'all is lost',
  'all is there',
  'names without bytes',
  'bytes without names',
  'some is torn',
];

/** Sectors are written whole. */
const SECTOR = 512;

/** The disk below one directory. */
export class RecordedDisk {
  readonly #root: string;
  readonly #names = new Map<string, DiskFile | 'directory'>();
  /** Changes of names that are not durable, in their order. */
  #naming: Naming[] = [];
  readonly #byInode = new Map<number, DiskFile>();
  readonly #links = new Map<string, string>();

  /** Reads the directory as it is now, all of it durable. */
  constructor(root: string) {
    this.#root = root;
    for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isDirectory()) this.#names.set(path, 'directory');
      else if (entry.isSymbolicLink()) this.#links.set(path, readlinkSync(path));
      else if (entry.isFile()) {
        const file = new DiskFile(readFileSync(path));
        this.#names.set(path, file);
        this.#byInode.set(lstatSync(path).ino, file);
      }
    }
  }

  /** Whether bytes, names or both are not durable. */
  get isDirty(): boolean {
    return (
      this.#naming.length > 0 ||
      [...this.#now().values()].some((file) => file !== 'directory' && file.pending.length > 0)
    );
  }

  /** Makes one recorded change. */
  take({ kind, file, at, bytes, other }: Change): void {
    const path = bytes.toString();
    if (kind === 'w') this.#file(file).pending.push({ at, bytes });
    else if (kind === 't') this.#file(file).pending.push({ size: at });
    else if (kind === 's') this.#file(file).sync();
    else if (kind === 'd') this.#syncNames(path);
    else if (kind === 'm') this.#naming.push({ path, file: 'directory' });
    else if (kind === 'u') this.#naming.push({ path, file: undefined });
    else if (kind === 'c') {
      const made = new DiskFile(Buffer.alloc(0));
      this.#byInode.set(file, made);
      this.#naming.push({ path, file: made });
    } else {
      this.#naming.push({ path: other, file: this.#now().get(path) });
      if (kind === 'r') this.#naming.push({ path, file: undefined });
    }
  }

  /** A file that was made where it is not recorded, such as by copying, is empty. */
  #file(inode: number): DiskFile {
    const known = this.#byInode.get(inode) ?? new DiskFile(Buffer.alloc(0));
    this.#byInode.set(inode, known);
    return known;
  }

  #syncNames(directory: string): void {
    const isIn = ({ path }: Naming): boolean => dirname(path) === directory;
    for (const naming of this.#naming.filter(isIn)) name(this.#names, naming);
    this.#naming = this.#naming.filter((naming) => !isIn(naming));
  }

  #now(naming: readonly Naming[] = this.#naming): Map<string, DiskFile | 'directory'> {
    const names = new Map(this.#names);
    for (const one of naming) name(names, one);
    return names;
  }

  /** Writes into the folder `target`, which must not exist, what a cut of that kind leaves now. */
  writeCut(kind: CutKind, target: string, random: () => number): void {
    const count = Math.floor(random() * (this.#naming.length + 1));
    const naming: Readonly<Record<CutKind, number>> = {
      'all is lost': 0,
      'bytes without names': 0,
      'all is there': this.#naming.length,
      'names without bytes': this.#naming.length,
      'some is torn': count,
    };
    const keep: Readonly<Record<CutKind, (writes: readonly Write[]) => readonly Write[]>> = {
      'all is lost': () => [],
      'names without bytes': () => [],
      'all is there': (writes) => writes,
      'bytes without names': (writes) => writes,
      'some is torn': (writes) => torn(writes, random),
    };
    const names = this.#now(this.#naming.slice(0, naming[kind]));
    mkdirSync(target, { recursive: true });
    const placed = (path: string): string => join(target, path.slice(this.#root.length + 1));
    for (const [path, file] of [...names].sort(([a], [b]) => (a < b ? -1 : 1))) {
      // A file whose directory is not there cannot be found.
      if (!isReachable(path, this.#root, names) || path.endsWith('-shm')) continue;
      if (file === 'directory') mkdirSync(placed(path), { recursive: true });
      else writeFileSync(placed(path), applied(file.durable, keep[kind](file.pending)), { mode: 0o600 });
    }
    for (const [path, to] of this.#links) symlinkSync(to, placed(path));
  }
}

function name(names: Map<string, DiskFile | 'directory'>, { path, file }: Naming): void {
  if (file === undefined) names.delete(path);
  else names.set(path, file);
}

function isReachable(path: string, root: string, names: ReadonlyMap<string, unknown>): boolean {
  for (let at = dirname(path); at !== root && at.length > root.length; at = dirname(at))
    if (!names.has(at)) return false;
  return true;
}

/** Each write is there, or is not, or its first sectors are. */
const torn = (writes: readonly Write[], random: () => number): Write[] =>
  writes.flatMap((write): Write[] => {
    const luck = random();
    if (luck < 0.4) return [write];
    if (luck < 0.7 || 'size' in write) return [];
    const sectors = Math.floor((random() * write.bytes.length) / SECTOR);
    return [{ at: write.at, bytes: write.bytes.subarray(0, sectors * SECTOR) }];
  });
