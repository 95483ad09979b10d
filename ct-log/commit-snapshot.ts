/** Reads `commit.db` without touching it: nothing of the log's is changed before everything else was found right, too. */
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { lookAtCopy, type DatabaseCopy } from '../storage/database-copy.ts';
import { missing, readHead, readState, readStoredIdentity, storageError } from './commit-database.ts';
import type { LoadedState } from './commit-store.ts';
import { LogError } from './log-error.ts';
import { surveyWal, type WalSurvey } from './wal-survey.ts';

/** What the files at `path` hold; throws {@link LogError} and FileFault. */
export function readSnapshot(path: string): LoadedState {
  if (!existsSync(path)) throw missing(path);
  const wal = `${path}-wal`;
  const survey = surveyWal(wal);
  if (survey.damagedAt !== undefined) throw damagedWal(wal, survey.damagedAt);
  return lookAtCopy(path, (copy) => {
    if (survey.frames === 0) return readCopy(copy, path, survey);
    const sizeWithoutWal = sizeOf(copy, path);
    copy.addWal();
    return { ...readCopy(copy, path, survey), sizeWithoutWal };
  });
}

/** 0 when it cannot be read: moving the WAL into it may have been interrupted. */
function sizeOf(copy: DatabaseCopy, path: string): number {
  try {
    return withDatabase(copy.path, (db) => readHead(db, path).size);
  } catch {
    return 0;
  }
}

function withDatabase<T>(path: string, read: (db: DatabaseSync) => T): T {
  const db = new DatabaseSync(path);
  try {
    db.exec('PRAGMA synchronous = OFF');
    return read(db);
  } finally {
    db.close();
  }
}

function readCopy(copy: DatabaseCopy, path: string, { frames, tornAt }: WalSurvey): LoadedState {
  const [name, wal] = [basename(path), `${basename(path)}-wal`];
  const files = frames > 0 ? `${name} with ${wal}` : name;
  const unreadable = tornAt === undefined ? undefined : `${wal} from byte ${tornAt} on`;
  try {
    return withDatabase(copy.path, (db) => {
      const identity = readStoredIdentity(db, path);
      const state = readState(db, path);
      const found = { ...state, identity, files, sizeWithoutWal: state.head.size };
      return unreadable === undefined ? found : { ...found, unreadable };
    });
  } catch (error) {
    const fault = storageError(path, error);
    throw frames > 0 && fault.code === 'LOG_CORRUPT' ? mismatch(path, fault) : fault;
  }
}

const NOT_CHANGED = 'Nothing was changed. ';

/** What a WAL is worth, for a hint. */
const KEEP_WAL =
  'Do not remove it: the log would go on without entries that were acknowledged, and contradict itself. ' +
  'Without a good copy, start a new log: docs/operations.md, "Backup and restore".';

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

/** What to do when the two files of a store do not fit each other. */
export const BELONG_TOGETHER =
  'Put back the commit.db that lay beside this commit.db-wal: the one was replaced or damaged, and the other holds the ' +
  'newest entries. Remove neither.';
