/** The files of a repair: what was damaged is kept, what is right is put in its place. */
import { existsSync, lstatSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex } from '../core/bytes.ts';
import { messageOf } from '../core/errors.ts';
import { FileFault } from '../storage/file-fault.ts';
import { makeDirectory, shareOwner, syncDirectory, writeDurably } from '../storage/durable-file.ts';
import { LogError } from './core/log-error.ts';
import { IDENTITY_FILE } from './core/log-identity.ts';
import { sha256 } from './core/sha256.ts';
import type { TileStore } from './store/tile-store.ts';

/** Folder of damaged files inside a log's directory. No part of the log: it may be removed. */
export const DAMAGED_FOLDER = 'damaged';

/** What SQLite keeps beside a database. */
const BESIDE = ['', '-wal', '-shm', '-journal'];

/** Keeps damaged files of one log, under names that say which file it was and what was in it: kept twice, it is one file. */
export class SetAside {
  readonly folder = DAMAGED_FOLDER;
  readonly #directory: string;
  readonly #mayKeep: (path: string) => boolean;

  constructor(directory: string, mayKeep: (path: string) => boolean) {
    this.#directory = directory;
    this.#mayKeep = mayKeep;
  }

  /** Keeps a copy of `bytes`, which lie at `path`. Durable on return. Throws {@link LogError} `LOG_STORAGE`. */
  async keep(path: string, bytes: Uint8Array): Promise<void> {
    if (!this.#mayKeep(path)) return;
    await this.#inWords(async () => {
      const file = join(await this.#made(), `${flat(path)}.${toHex(sha256(bytes)).slice(0, 8)}`);
      await writeDurably(file, bytes, 0o600);
      await shareOwner(file, join(this.#directory, IDENTITY_FILE));
    });
  }

  /** Moves a file that a service makes anew, with what belongs to it. */
  async move(path: string): Promise<void> {
    await this.#inWords(async () => {
      const folder = await this.#made();
      for (const suffix of BESIDE) {
        const from = join(this.#directory, path + suffix);
        if (existsSync(from)) await rename(from, join(folder, flat(path) + suffix));
      }
      await syncDirectory(folder);
      await syncDirectory(this.#directory);
    });
  }

  /** Puts `bytes` at `path`, where nothing is or something damaged: in the store of tiles, or beside it. Throws {@link LogError} `LOG_STORAGE`, and `LOG_UNSUITABLE_STORAGE` where what was put there cannot
   * be replaced. */
  async put(path: string, bytes: Uint8Array, tiles: TileStore, isMissing: boolean): Promise<void> {
    const file = join(this.#directory, path);
    await this.#inWords(async () => {
      // A folder, or what else is no file, cannot be replaced by one.
      if (lstatSync(file, { throwIfNoEntry: false })?.isFile() === false)
        await rename(file, join(await this.#made(), flat(path)));
      if (!path.includes('/')) await writeDurably(file, bytes, 0o644);
      else if (isMissing) await tiles.put(path, bytes);
      else await replacing(tiles, path)(path, bytes);
      if (existsSync(file)) await shareOwner(file, join(this.#directory, IDENTITY_FILE));
    });
  }

  async #made(): Promise<string> {
    const folder = join(this.#directory, DAMAGED_FOLDER);
    await makeDirectory(folder, this.#directory);
    await shareOwner(folder, this.#directory);
    return folder;
  }

  async #inWords(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (cause) {
      if (!(cause instanceof FileFault)) throw cause;
      throw new LogError('LOG_STORAGE', messageOf(cause), { cause });
    }
  }
}

const flat = (path: string): string => path.replaceAll('/', '.');

function replacing({ replace }: TileStore, path: string): NonNullable<TileStore['replace']> {
  if (replace !== undefined) return replace;
  throw new LogError('LOG_UNSUITABLE_STORAGE', `${path} cannot be replaced where the tiles of this log lie`, {
    hint: 'Keep a copy of it and remove it there; then give the command again, which puts the right one.',
  });
}
