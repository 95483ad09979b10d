/** The TUF repository of a data directory, made with its two keys. */
import { createPublicKey, hash, type KeyObject } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Clock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';
import { writeKeyPem } from '../signers/key-file.ts';
import { generateKey } from '../signers/key-types.ts';
import { shareOwner, syncDirectory, writeNew } from '../storage/durable-file.ts';
import type { ServiceUrls } from '../trust/signing-services.ts';
import { isUnsettled } from '../tlog/store/shared-document.ts';
import type { OutsidePlace } from '../tlog/store/store-places.ts';
import { createRepository } from '../trust/tuf/create-repository.ts';
import { instanceTargets } from '../trust/tuf/instance-targets.ts';
import { readRepository, type Repository } from '../trust/tuf/repository.ts';
import { keysOf } from '../trust/tuf/new-metadata.ts';
import { refresh } from '../trust/tuf/publish.ts';
import { shareRepository } from '../trust/tuf/shared-repository.ts';
import { TufError } from '../trust/tuf/tuf-error.ts';
import { isKey } from '../trust/tuf/tuf-key.ts';
import { firstLogId } from './certificate-logs.ts';
import { systemFault } from './data-directory-error.ts';
import type { DataPaths } from './data-paths.ts';
import { writeRootKeyFile } from './root-key-file.ts';

/** A TUF repository to be made. */
export interface NewTuf {
  /** Where the key of root and targets goes: a file of its own, or `keep`: into the data directory. */
  readonly rootKey: { readonly file: string } | 'keep';
  /** Where clients find the services. */
  readonly urls: ServiceUrls;
  /** Of the first root; default is 1. */
  readonly rootVersion?: number | undefined;
  /** The database that all services which publish it share; undefined: it is in the data directory alone. */
  readonly shared?: OutsidePlace | undefined;
  /** Whether the caller removes the whole directory when this fails, so that no repository is left that could count. */
  readonly isUndone?: boolean;
}

/** With what its keys are encrypted, and when it is made. */
interface TufKeys {
  readonly passphrase?: string | undefined;
  readonly rootPassphrase?: string | undefined;
  readonly clock: Clock;
}

/** What was made. */
export interface CreatedTuf {
  /** Absolute path of the key of root and targets. */
  readonly rootKeyFile: string;
  readonly root: TufRootSummary;
}

/** What clients have to know of a repository before they trust it. */
export interface TufRootSummary {
  readonly version: number;
  /** SHA-256 of `<version>.root.json`, lower-case hexadecimal: the checksum with which clients begin. */
  readonly sha256: string;
}

/** Makes the repository in `paths.tuf`: the key of root and targets goes to where `rootKey` says, the online key into `paths.keys`. All or nothing, but
 * for a crash, which may leave key files that nothing uses: the next try refuses to write over the root key. The root key of a repository that counts, or may count, is never removed. Rejects with TufError `TUF_EXISTS` when there
 * is a repository, `TUF_UNKNOWN` when that cannot be found out, with RootKeyError, TrustError, LogError or DataDirectoryError. */
export async function createTuf(
  paths: DataPaths,
  { rootKey, urls, rootVersion, shared, isUndone = false }: NewTuf,
  { passphrase, rootPassphrase = passphrase, clock }: TufKeys,
): Promise<CreatedTuf> {
  const contents = await instanceTargets(paths, urls, clock());
  const [offline, onlineKey] = [await generateKey('p256'), await generateKey('p256')];
  const rootKeyFile = rootKey === 'keep' ? paths.tufRootKey : resolve(rootKey.file);
  const written = { rootKey: false };
  // Two at once would write their keys over one another's, and one of them has the repository.
  const keepKeys = async (): Promise<void> => {
    await writeRootKeyFile(rootKeyFile, offline, rootPassphrase, '--tuf-root-key-out');
    written.rootKey = true;
    await writeOnlineKey(paths, writeKeyPem(onlineKey, passphrase));
  };
  try {
    if (shared !== undefined) await shareRepository(paths.tuf, shared, await firstLogId(paths), rootVersion);
    const repository = await createRepository(paths.tuf, {
      rootKey: offline,
      onlineKey,
      contents,
      rootVersion,
      keepKeys,
      now: clock(),
    });
    return { rootKeyFile, root: rootSummary(repository) };
  } catch (error) {
    // What waits in the database for its standby cannot be seen, and may count later.
    const left = isUndone
      ? 'nothing'
      : isUnsettled(error)
        ? 'unreadable'
        : await leftBehind(paths.tuf, offline);
    if (left === 'counts')
      throw new TufError(
        'TUF_EXISTS',
        `the TUF repository ${paths.tuf} counts, but not all of it could be written: ${messageOf(error)}`,
        {
          hint: `Keep ${rootKeyFile}: it is the key of this repository. \`mayfly trust tuf status\` shows it; a running service serves it.`,
          cause: error,
        },
      );
    // A key of a repository that never was is only good for confusion.
    if (written.rootKey && left === 'nothing') await rm(rootKeyFile, { force: true });
    if (written.rootKey && left === 'unreadable')
      throw new TufError(
        'TUF_UNKNOWN',
        `it cannot be found out now whether the TUF repository counts: ${messageOf(error)}`,
        {
          hint: `Keep ${rootKeyFile} and ${paths.tufOnlineKey}: they may be its keys. When the database answers, \`mayfly trust tuf status\` shows the repository if there is one; otherwise remove that file and give the command again.`,
          cause: error,
        },
      );
    throw error;
  }
}

/** What a making that failed left: a repository of which `rootKey` is the key, `nothing` of that kind, or what cannot be read now. A key is of no
 * repository only where that is certain. */
async function leftBehind(
  directory: string,
  rootKey: KeyObject,
): Promise<'counts' | 'nothing' | 'unreadable'> {
  const spki = new Uint8Array(createPublicKey(rootKey).export({ type: 'spki', format: 'der' }));
  try {
    await refresh(directory);
    const repository = await readRepository(directory);
    const keys = repository === undefined ? [] : keysOf(repository.root.signed).root.keys;
    return keys.some((key) => isKey(key, spki)) ? 'counts' : 'nothing';
  } catch {
    return 'unreadable';
  }
}

/** One that an interrupted making left is of no use. */
async function writeOnlineKey(paths: DataPaths, pem: string): Promise<void> {
  const file = paths.tufOnlineKey;
  try {
    await rm(file, { force: true });
    await writeNew(file, pem, 0o600);
    await shareOwner(file, paths.keys);
    await syncDirectory(paths.keys);
  } catch (error) {
    throw systemFault(file, 'write', error);
  }
}

/** The root in force, for clients that begin with it. */
export function rootSummary({ root, files }: Repository): TufRootSummary {
  const { version } = root.signed;
  const bytes = files.get(`${version}.root.json`) ?? new Uint8Array();
  return { version, sha256: hash('sha256', bytes, 'hex') };
}
