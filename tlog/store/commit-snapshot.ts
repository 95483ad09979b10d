/** Reads `commit.db` without touching it: nothing of the log's is changed before everything else was found right, too. */
import { closeSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { basename } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { lookAtCopy } from '../../storage/database-copy.ts';
import { FileFault } from '../../storage/file-fault.ts';
import {
  openUnchanging,
  readHead,
  readNoted,
  readState,
  readStoredIdentity,
  requireFile,
  storageError,
} from './commit-database.ts';
import type { LoadedState, StoredState, StoreLoss, StoreTexts } from './commit-store.ts';
import { LogError } from '../core/log-error.ts';
import { surveyWal, type WalPages, type WalSurvey } from '../../storage/wal-survey.ts';

/** What the files at `path` hold; throws {@link LogError} and FileFault. */
export function readSnapshot(path: string): LoadedState {
  requireFile(path);
  const wal = `${path}-wal`;
  const survey = surveyWal(wal);
  if (survey.damagedAt !== undefined) throw damagedWal(wal, survey.damagedAt);
  if (survey.frames === 0) return readDatabase(path, path, survey);
  const sizeWithoutWal = sizeOf(path);
  try {
    return lookAtCopy(path, (copy) => {
      writePages(copy.path, wal, survey.pages);
      const state = readDatabase(copy.path, path, survey);
      // What is moved out of a WAL is never ahead of it.
      const isOlder = sizeWithoutWal > state.head.size;
      return isOlder ? { ...state, loss: { ...OLDER_WAL, atLeast: sizeWithoutWal } } : state;
    });
  } catch (error) {
    throw error instanceof FileFault && isFull(error) ? noRoom(path, survey, error) : error;
  }
}

/** Does what SQLite will do with the WAL, in a copy of the database. The WAL itself may be many times as large as the
 * database, and is not copied. */
function writePages(copy: string, wal: string, { size, places }: WalPages): void {
  const [from, to] = [openSync(wal, 'r'), openSync(copy, 'r+')];
  try {
    const bytes = new Uint8Array(size);
    for (const [page, at] of places) {
      readSync(from, bytes, 0, size, at);
      writeSync(to, bytes, 0, size, (page - 1) * size);
    }
  } catch (error) {
    throw new FileFault(copy, 'written', error);
  } finally {
    closeSync(from);
    closeSync(to);
  }
}

/** 0 when it cannot be read: moving the WAL into it may have been interrupted. */
function sizeOf(path: string): number {
  try {
    return withDatabase(path, (db) => readHead(db, path).size);
  } catch {
    return 0;
  }
}

/** Nobody changes the file meanwhile; SQLite makes no file beside it and moves nothing into it then. */
function withDatabase<T>(path: string, read: (db: DatabaseSync) => T): T {
  const db = openUnchanging(path);
  try {
    return read(db);
  } finally {
    db.close();
  }
}

/** Reads `file`, which is the database at `path` or a copy of it with the pages of its WAL. */
function readDatabase(file: string, path: string, { frames, tornAt }: WalSurvey): LoadedState {
  const texts = frames > 0 ? TEXTS_WITH_WAL : TEXTS;
  try {
    return withDatabase(file, (db) => {
      const found = { ...readStored(db, path), texts };
      return tornAt === undefined ? found : { ...found, loss: tornWal(`${basename(path)}-wal`, tornAt) };
    });
  } catch (error) {
    const fault = storageError(path, error);
    throw frames > 0 && fault.code === 'LOG_CORRUPT' ? mismatch(path, fault) : fault;
  }
}

/** All of the open database at `path`, which may be less than its files do: an interrupted commit is in the WAL as a
 * whole, and while another program has the database open SQLite goes by the memory that both share, which does not know
 * of it. Throws {@link LogError}. */
export function readStored(db: DatabaseSync, path: string): StoredState {
  const identity = readStoredIdentity(db, path);
  return { ...readState(db, path), identity, noted: readNoted(db), texts: TEXTS };
}

/** Where to read about copies of the store. */
const BACKUPS = 'docs/keys-and-backups.md, "Backup and restore".';

const TEXTS: StoreTexts = {
  name: 'commit.db',
  source: 'commit.db',
  contradictionHint: `Put back the newest commit.db, with the commit.db-wal that lay beside it; ${BACKUPS}`,
  damageHint: 'Put the newest copy of commit.db back, with its commit.db-wal.',
  rollbackHint:
    'Never put an old commit.db back: the log would sign a second history. Put the newest one back, with the ' +
    `commit.db-wal that lay beside it, or start a new log with a new key: ${BACKUPS}`,
};

/** What to do when the two files of a store do not fit each other. */
const BELONG_TOGETHER =
  'Put back the commit.db that lay beside this commit.db-wal: the one was replaced or damaged, and the other holds the ' +
  'newest entries. Remove neither.';

const TEXTS_WITH_WAL: StoreTexts = {
  ...TEXTS,
  source: 'commit.db with commit.db-wal',
  contradictionHint: BELONG_TOGETHER,
};

const OLDER_WAL: StoreLoss = {
  subject: 'commit.db-wal is older than commit.db: with it, the store',
  hint:
    'Put the commit.db-wal back that lay beside this commit.db. If there was none, because ' +
    'the service was stopped in order, move this one away (keep it).',
};

const tornWal = (wal: string, at: number): StoreLoss => ({
  subject: `${wal} from byte ${at} on cannot be read: what can be read`,
  hint:
    'Put a good copy of commit.db-wal back, of this very moment. Do not remove it. Without a ' +
    `copy, start a new log with a new key: ${BACKUPS}`,
});

const isFull = ({ code }: FileFault): boolean => code === 'ENOSPC' || code === 'EDQUOT';

const noRoom = (path: string, { pages }: WalSurvey, cause: FileFault): LogError => {
  const bytes = Math.max(statSync(path).size, pages.count * pages.size);
  return new LogError('LOG_STORAGE', cause.message, {
    hint:
      `${NOT_CHANGED}${path} and its -wal are judged in a copy beside them: ` +
      `make room for ${Math.ceil(bytes / 1e6) + 1} MB on that disk, and for what is logged afterwards.`,
    cause,
  });
};

const NOT_CHANGED = 'Nothing was changed. ';

/** What a WAL is worth, for a hint. */
const KEEP_WAL =
  'Do not remove it: the log would go on without entries that were acknowledged, and contradict itself. ' +
  `Without a good copy, start a new log: ${BACKUPS}`;

const damagedWal = (wal: string, at: number): LogError =>
  new LogError('LOG_CORRUPT', `${wal} is damaged at byte ${at}, and later transactions follow there`, {
    hint: `${NOT_CHANGED}Put a good copy of commit.db-wal back, of this very moment. ${KEEP_WAL}`,
  });

const mismatch = (path: string, fault: LogError): LogError =>
  new LogError(
    'LOG_CORRUPT',
    `${path} and its -wal do not belong together, or one of them is damaged (${fault.message})`,
    { hint: `${NOT_CHANGED}${BELONG_TOGETHER}`, cause: fault },
  );
