/**
 * A repository that several services publish and serve. The database has it as one document, and decides by its version which of two
 * publications counts: so there is one content for each version of metadata, whatever clocks say. Each service has a copy of it
 * in its directory, in which there is never anything that the database has not taken.
 *
 * `store.json` in the directory says that it is so.
 */
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { concat, equalBytes, fromBase64, toBase64, utf8, utf8Text } from '../../core/bytes.ts';
import { messageOf, systemCode } from '../../core/errors.ts';
import { makeDirectory, shareOwner } from '../../storage/durable-file.ts';
import { placeName } from '../../storage/postgres.ts';
import { readWhole } from '../../storage/read-whole.ts';
import { LogError } from '../../tlog/core/log-error.ts';
import { sha256 } from '../../tlog/core/sha256.ts';
import { SharedDocument, type SharedContent } from '../../tlog/store/shared-document.ts';
import {
  isSameDatabase,
  readStorePlaces,
  writeStorePlaces,
  type OutsidePlace,
} from '../../tlog/store/store-places.ts';
import { readRepository, type Repository } from './repository.ts';
import { FILE_LIMIT, MAX_FILES, put, versionsOf } from './repository-files.ts';
import { compareStates, type StateOrder } from './served-versions.ts';
import { TufError } from './tuf-error.ts';

const TITLE = 'tuf';

/** Where a publication is made before the database has it: inside the directory. A crash leaves it, and the next publication begins with an empty one. */
const WORK = '.publishing';

/** How often a publication is made anew on top of what another service published meanwhile. */
const TRIES = 10;

/** The shared form of one repository. */
export class SharedRepository {
  readonly #directory: string;
  readonly #place: OutsidePlace;
  readonly #id: Uint8Array;
  readonly #document: SharedDocument;
  /** Of what the directory holds. */
  #stamp: string | undefined;

  constructor(directory: string, place: OutsidePlace, id: Uint8Array) {
    this.#directory = directory;
    this.#place = place;
    this.#id = id;
    this.#document = new SharedDocument(place, id, TITLE);
  }

  /** That of the repository in `directory`: `known` where it is that one; undefined where only the directory has it. Throws LogError where `store.json` is damaged. */
  static async open(directory: string, known?: SharedRepository): Promise<SharedRepository | undefined> {
    const { logId, commits } = await readStorePlaces(directory);
    if (logId === undefined || commits === undefined) return undefined;
    const isKnown = known !== undefined && equalBytes(known.#id, logId) && isSameText(known.#place, commits);
    return isKnown ? known : new SharedRepository(directory, commits, logId);
  }

  /** Whether the database has another state than the directory had after the last call of {@link pull}. */
  async isChanged(): Promise<boolean> {
    return (await this.#document.stamp()) !== this.#stamp;
  }

  /** Brings the directory to what the database has, once that was found right and of this repository: what is not changes nothing. Where the directory has something later, because the database was put back,
   * the database takes that; resolves then to what it had, of which clients may have seen versions. Only for who has the lock of the directory. Rejects with LogError, and with {@link TufError} `TUF_REFUSED`, `TUF_DAMAGED` or `TUF_BUSY`. */
  async pull(): Promise<Repository | undefined> {
    const { files, stamp, order, overtaken } = await this.#current();
    if (order === 'apart')
      throw new TufError(
        'TUF_REFUSED',
        `${this.#document.name} was put back, and published from then on: of root and targets, it has one that is older than in ${this.#directory}, and one that is newer`,
        {
          hint: 'Clients get what this machine has. Import the files of the changes again that are missing there: mayfly trust tuf import FILE --data DIR',
        },
      );
    if (stamp === undefined) return undefined;
    await writeFiles(this.#directory, files);
    this.#stamp = stamp;
    return overtaken;
  }

  /** Runs `work` on a copy of what the database has, until what it leaves there is what comes next: where another service was first, it is run again on top of that. Only for who has the lock of the
   * directory. Rejects as {@link pull} does, with {@link TufError} `TUF_BUSY` when others are always first, and with what `work` rejects with: then nothing is changed. */
  async change<T>(work: (directory: string) => Promise<T>): Promise<T> {
    try {
      for (let tries = 0; tries < TRIES; tries++) {
        const { files, version } = await this.#current();
        const copy = await this.#fill(files);
        const result = await work(copy);
        const after = await readFiles(copy);
        const isTaken = areSame(files, after) || (await this.#document.replace(version, packed(after)));
        if (!isTaken) continue;
        await this.pull();
        return result;
      }
    } finally {
      await rm(join(this.#directory, WORK), { recursive: true, force: true });
    }
    throw this.#busy();
  }

  /** What the database has, after it took what it had lost. */
  async #current(): Promise<Current> {
    let overtaken: Repository | undefined;
    for (let tries = 0; tries < TRIES; tries++) {
      const content = await this.#document.read();
      const files = content === undefined ? NO_FILES : this.#filesIn(content);
      const { order, found } = await this.#judge(files);
      const { version, stamp } = content ?? {};
      if (order !== 'earlier') return { files, version, stamp, order, overtaken };
      if (await this.#document.replace(version, packed(await readFiles(this.#directory)))) overtaken = found;
    }
    throw this.#busy();
  }

  /** How `files` are beside what the directory has. A copy that is damaged is as none. */
  async #judge(files: Files): Promise<{ readonly order: StateOrder; readonly found?: Repository }> {
    const own = await readRepository(this.#directory).catch((error: unknown) => {
      if (error instanceof TufError && error.code === 'TUF_DAMAGED') return undefined;
      throw error;
    });
    if (files.size === 0) return { order: own === undefined ? 'same' : 'earlier' };
    try {
      const found = await readRepository(await this.#fill(files)).catch((error: unknown) => {
        throw unusable(this.#document.name, error);
      });
      if (found === undefined) throw unusable(this.#document.name, 'there is neither a root nor a timestamp');
      if (own === undefined) return { order: 'later', found };
      this.#requireSameRoots(own, found);
      return { order: compareStates(found, own), found };
    } finally {
      await rm(join(this.#directory, WORK), { recursive: true, force: true });
    }
  }

  /** Of two states of one repository the later has every root of the earlier. */
  #requireSameRoots(own: Repository, found: Repository): void {
    const name = `${Math.min(own.root.signed.version, found.root.signed.version)}.root.json`;
    const [here, there] = [own.files.get(name), found.files.get(name)];
    if (here !== undefined && there !== undefined && equalBytes(here, there)) return;
    throw new TufError(
      'TUF_REFUSED',
      `${this.#document.name} has another TUF repository than the one in ${this.#directory}`,
      {
        hint: 'Nothing of it was taken. Look who can write that table. Where another repository was made on purpose, move that directory away and copy tuf/store.json of the machine on which it was made.',
      },
    );
  }

  /** A folder beside the copy that holds `files`; it need not survive anything. */
  async #fill(files: Files): Promise<string> {
    const copy = join(this.#directory, WORK);
    await rm(copy, { recursive: true, force: true });
    await makeDirectory(copy, this.#directory);
    await shareOwner(copy, this.#directory);
    await mkdir(join(copy, 'targets'));
    await shareOwner(join(copy, 'targets'), copy);
    for (const [path, bytes] of files) await writeFile(join(copy, path), bytes, { mode: 0o644 });
    return copy;
  }

  #busy(): TufError {
    return new TufError('TUF_BUSY', `other services publish at once in ${this.#document.name}`, {
      hint: 'Try again.',
    });
  }

  /** The files of the last state before it was moved elsewhere, or of the one in force; undefined where there is none. */
  async last(): Promise<{ readonly files: Files; readonly leave: () => Promise<boolean> } | undefined> {
    const content = await this.#document.read();
    if (content === undefined) return undefined;
    const { version, bytes, isMoved } = content;
    const files = unpacked(this.#document.name, bytes);
    const { order } = await this.#judge(files);
    return {
      files: order === 'earlier' ? await readFiles(this.#directory) : files,
      leave: async () => isMoved || this.#document.replace(version, bytes, true),
    };
  }

  /** Has the database take what the directory has, unless it has the same or something later, from another machine. */
  async receive(): Promise<void> {
    const before = await this.#document.read();
    if (before !== undefined) {
      const { order } = await this.#judge(unpacked(this.#document.name, before.bytes));
      if (before.isMoved && order !== 'earlier' && order !== 'same') throw this.#older();
      if (!before.isMoved && order === 'apart') throw this.#older();
      if (!before.isMoved && order !== 'earlier') return;
    }
    if (await this.#document.replace(before?.version, packed(await readFiles(this.#directory)))) return;
    throw new TufError('TUF_BUSY', `another process publishes in ${this.#document.name}`, {
      hint: 'Stop every service that uses this repository, then give the command again.',
    });
  }

  #older(): TufError {
    return new TufError(
      'TUF_REFUSED',
      `${this.#document.name} had a later state of the TUF repository than ${this.#directory} has`,
      {
        hint: 'Nothing of it was changed. Give the command on the machine to which it was moved from there.',
      },
    );
  }

  close(): Promise<void> {
    return this.#document.close();
  }

  #filesIn({ bytes, isMoved }: SharedContent): Files {
    if (!isMoved) return unpacked(this.#document.name, bytes);
    throw new TufError(
      'TUF_DAMAGED',
      `the TUF repository is not in ${this.#document.name} any more: it was moved`,
      { hint: 'Use the data directory of the machine on which it was moved.' },
    );
  }
}

/** Path below the directory → bytes. */
type Files = ReadonlyMap<string, Uint8Array>;

const isSameText = (a: OutsidePlace, b: OutsidePlace): boolean =>
  a.url === b.url && a.passwordFile === b.passwordFile;

const NO_FILES: Files = new Map();

/** What the database has. */
interface Current {
  readonly files: Files;
  /** Of the document, and its stamp; undefined while there is none. */
  readonly version: number | undefined;
  readonly stamp: string | undefined;
  /** Beside what the directory has. */
  readonly order: StateOrder;
  /** What it had before it took what the directory has. */
  readonly overtaken: Repository | undefined;
}

/** The name that every machine has for the repository of an instance, whichever of them makes it: by the log that all of them had first, and by its first root, as another repository may follow it. */
const idOf = (firstLogId: Uint8Array, firstRoot: number): Uint8Array =>
  sha256(concat([utf8(`mayfly TUF repository ${firstRoot}\n`), firstLogId]));

/** Lets a repository that is to be made in `directory`, with that version of its first root, be in the database at `place`. Does nothing where that is said already. */
export async function shareRepository(
  directory: string,
  place: OutsidePlace,
  firstLogId: Uint8Array,
  firstRoot = 1,
): Promise<void> {
  if ((await readStorePlaces(directory)).commits !== undefined) return;
  await makeDirectory(directory);
  await writeStorePlaces(directory, { logId: idOf(firstLogId, firstRoot), commits: place });
}

/** Throws LogError `LOG_ELSEWHERE` unless the repository in `directory`, if there is one, is where `place` says; undefined: in the directory alone. A database that is reached in
 * another way is the same: `store.json` says so from then on. */
export async function requireRepositoryAt(directory: string, place: OutsidePlace | undefined): Promise<void> {
  const stored = await readStorePlaces(directory);
  const { commits } = stored;
  if (commits === undefined && !(await hasFiles(directory))) return;
  if (isSameDatabase(commits, place)) {
    const isSame = commits === undefined || place === undefined || isSameText(commits, place);
    if (!isSame) await writeStorePlaces(directory, { ...stored, commits: place });
    return;
  }
  throw new LogError(
    'LOG_ELSEWHERE',
    `the TUF repository in ${directory} is ${inWords(commits)}, and the configuration says ${inWords(place)}`,
    {
      hint: 'Nothing was changed. Let mayfly.log.store say where it is; or stop every service that uses it and give `mayfly log move --data DIR`, which moves it with the logs.',
    },
  );
}

const inWords = (place: OutsidePlace | undefined): string =>
  place === undefined ? 'in its files' : `in ${placeName(place)}`;

/** Takes the repository in `directory` to `to`; undefined: into the directory alone. Only for who has the lock of the directory, and while no service publishes. Resolves to whether anything was moved. A crash leaves it where it was, or where it is to be, or
 * out of use until the same call finishes. Rejects with LogError, FileFault and {@link TufError}. */
export async function moveRepository(
  directory: string,
  to: OutsidePlace | undefined,
  firstLogId: Uint8Array,
): Promise<boolean> {
  const { logId, commits } = await readStorePlaces(directory);
  if (isSameDatabase(commits, to)) return false;
  if (commits === undefined && !(await hasFiles(directory))) return false;
  const from = await SharedRepository.open(directory);
  const [firstRoot = 1] = versionsOf('root', await namesIn(directory));
  const id = logId ?? idOf(firstLogId, firstRoot);
  const next = to && new SharedRepository(directory, to, id);
  try {
    const last = await from?.last();
    const files = from === undefined ? await readFiles(directory) : last?.files;
    if (files !== undefined) {
      if (from !== undefined) await writeFiles(directory, files);
      await next?.receive();
      if (last !== undefined && !(await last.leave()))
        throw new TufError('TUF_BUSY', 'another process publishes the TUF repository', {
          hint: 'Stop every service that uses it, then give the command again.',
        });
    }
    await writeStorePlaces(directory, to === undefined ? {} : { logId: id, commits: to });
    return true;
  } finally {
    await from?.close();
    await next?.close();
  }
}

const hasFiles = async (directory: string): Promise<boolean> => {
  const names = await namesIn(directory);
  return names.includes('timestamp.json') || names.includes('root.json');
};

/** Files of a repository, and no others: the directory has some that the database must not write, such as the one that names the database. */
const NAME =
  /^(?:\d{1,16}\.(?:root|targets|snapshot)\.json|root\.json|timestamp\.json|targets\/[\w-][\w.-]*)$/;

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}

async function pathsIn(directory: string): Promise<readonly string[]> {
  const targets = (await namesIn(join(directory, 'targets'))).map((name) => `targets/${name}`);
  return [...(await namesIn(directory)), ...targets].filter((path) => NAME.test(path));
}

async function readFiles(directory: string): Promise<Files> {
  const files = new Map<string, Uint8Array>();
  for (const path of [...(await pathsIn(directory))].sort())
    files.set(path, await readWhole(join(directory, path), { size: FILE_LIMIT }));
  return files;
}

/** Makes the directory hold `files` and no others: the timestamp comes after what it names, and goes before it. */
async function writeFiles(directory: string, files: Files): Promise<void> {
  await makeDirectory(join(directory, 'targets'), directory);
  await shareOwner(join(directory, 'targets'), directory);
  const isLast = (path: string): boolean => path === 'timestamp.json' || path === 'root.json';
  for (const [path, bytes] of files) if (!isLast(path)) await put(directory, path, bytes);
  for (const path of ['timestamp.json', 'root.json']) {
    const bytes = files.get(path);
    if (bytes !== undefined) await put(directory, path, bytes);
  }
  for (const path of await pathsIn(directory))
    if (!files.has(path)) await rm(join(directory, path), { force: true });
}

const areSame = (one: Files, other: Files): boolean =>
  one.size === other.size &&
  [...one].every(([path, bytes]) => Buffer.compare(bytes, other.get(path) ?? new Uint8Array()) === 0);

/** What came from the database does not count. */
const unusable = (name: string, why: unknown): TufError =>
  new TufError('TUF_DAMAGED', `the TUF repository in ${name} cannot be used: ${messageOf(why)}`, {
    hint: 'Nothing of it was taken, and clients get what this machine has. Look who can write that table.',
    cause: why,
  });

/** `{"version":1,"contents":["…base64…"],"files":{"timestamp.json":0}}`: each content once, as a target has several names. */
function packed(files: Files): Uint8Array {
  const places = new Map<string, number>();
  const named: Record<string, number> = {};
  for (const [path, bytes] of files) {
    const text = toBase64(bytes);
    named[path] = places.get(text) ?? places.size;
    places.set(text, named[path]);
  }
  return utf8(JSON.stringify({ version: 1, contents: [...places.keys()], files: named }));
}

/** What is no such document changes nothing in the directory. */
function unpacked(name: string, bytes: Uint8Array): Files {
  try {
    const { version, contents, files } = JSON.parse(utf8Text(bytes)) as Readonly<Record<string, unknown>>;
    if (version !== 1 || !Array.isArray(contents) || typeof files !== 'object' || files === null)
      throw new Error('it is of another version');
    const named = Object.entries<unknown>(files as Readonly<Record<string, unknown>>);
    if (named.length > MAX_FILES) throw new Error(`it has more than ${MAX_FILES} files`);
    const decoded = contents.map((text: unknown) => fromBase64(String(text)));
    return new Map(
      named.map(([path, at]) => {
        const found = decoded[Number(at)];
        if (!NAME.test(path) || found === undefined || found.length > FILE_LIMIT)
          throw new Error('a file in it is none of a repository');
        return [path, found];
      }),
    );
  } catch (error) {
    throw unusable(name, error);
  }
}
