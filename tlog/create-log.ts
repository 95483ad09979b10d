import { mkdtemp, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Clock } from '../core/clock.ts';
import { systemCode } from '../core/errors.ts';
import { makeDirectory, syncDirectory } from '../storage/durable-file.ts';
import { createCommitDatabase } from './store/commit-database.ts';
import { LogError, messageOf } from './log-error.ts';
import { nameOfOrigin, writeIdentity, type LogIdentity, type SctExtensions } from './log-identity.ts';
import { sha256 } from './sha256.ts';
import { COMMIT_DATABASE } from './store/sqlite-commit-store.ts';
import { judgeStorage } from './judge-storage.ts';

/** A log to be made. */
export interface NewLog {
  /** Where it will be; must not exist, or be empty. */
  readonly directory: string;
  /** See {@link LogIdentity.origin}. */
  readonly origin: string;
  readonly sctExtensions: SctExtensions;
  /** DER SubjectPublicKeyInfo of an ECDSA P-256 key that no other log uses. */
  readonly ecdsaPublicKey: Uint8Array;
  /** Raw Ed25519 key, 32 bytes. */
  readonly ed25519PublicKey: Uint8Array;
  readonly clock: Clock;
}

/**
 * Makes the directory of a new log: its identity and the empty, unsigned head. All or nothing: it is built beside and
 * renamed into place, so a crash leaves at most a directory `.NAME-…` that nobody reads. Throws {@link LogError}
 * `LOG_EXISTS` when something is there already, `LOG_STORAGE`, `LOG_UNSUITABLE_STORAGE`, or one for an origin that
 * cannot be.
 */
export async function createLog(log: NewLog): Promise<LogIdentity> {
  const identity = identityOf(log);
  const parent = dirname(log.directory);
  await makeDirectory(parent).catch((error: unknown) => {
    throw new LogError('LOG_STORAGE', `the directory ${parent} cannot be made: ${messageOf(error)}`, {
      cause: error,
    });
  });
  await judgeStorage(parent);
  const building = await mkdtemp(join(parent, `.${basename(log.directory)}-`));
  try {
    const head = { size: 0, root: sha256(new Uint8Array()), timestamp: identity.createdAt };
    createCommitDatabase(join(building, COMMIT_DATABASE), identity, head);
    await writeIdentity(building, identity);
    await rename(building, log.directory);
  } catch (error) {
    await rm(building, { recursive: true, force: true });
    if (['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(systemCode(error) ?? ''))
      throw existsError(log.directory);
    throw error;
  }
  await syncDirectory(parent);
  return identity;
}

function identityOf(log: NewLog): LogIdentity {
  if (log.ed25519PublicKey.length !== 32) {
    throw new LogError('LOG_WRONG_KEY', 'the Ed25519 key of the log does not have 32 bytes');
  }
  return {
    ...{ origin: log.origin, name: nameOfOrigin(log.origin), logId: sha256(log.ecdsaPublicKey) },
    ...{ publicKey: log.ecdsaPublicKey, ed25519PublicKey: log.ed25519PublicKey },
    ...{ sctExtensions: log.sctExtensions, createdAt: log.clock() },
  };
}

const existsError = (directory: string): LogError =>
  new LogError('LOG_EXISTS', `${directory} already holds something`, {
    hint: 'A log is never overwritten. Name another directory, or another origin for a new log.',
  });
