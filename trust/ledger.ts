/**
 * The ledger: the file of a data directory that records whom verifiers are to trust, and for which times. It is a `trusted_root.json`, in which
 * our own services stand with their path alone (`trust/public-urls.ts`).
 *
 * What is exported and published is more than the file says: recorded, together with what lies in the directory, in force or staged, and
 * is not recorded yet. So a directory without the file works, and a crash between making a key and recording it loses nothing. What is
 * recorded stays there for ever, because what it signed is still to be verified: its window may end.
 */
import { dirname, join } from 'node:path';
import { utf8, utf8Text } from '../core/bytes.ts';
import { FormatError, messageOf, systemCode } from '../core/errors.ts';
import type { CtLogIdentity } from '../ct-log/log-identity.ts';
import type { ArtifactLogIdentity } from '../rekor/log-identity.ts';
import { makeDirectory, removeTemporary, shareOwner, writeDurably } from '../storage/durable-file.ts';
import { FileFault } from '../storage/file-fault.ts';
import { LockTimeout, withFileLock } from '../storage/file-lock.ts';
import { isMissing, readWhole } from '../storage/read-whole.ts';
import { TrustError } from './collect.ts';
import {
  EMPTY_TRUSTED_ROOT,
  encodeTrustedRoot,
  parseTrustedRoot,
  type TrustedRoot,
} from './format/trusted-root.ts';
import { readOwnMaterial, type OwnPlaces } from './own-material.ts';
import { missingFrom, unionOf, withInFront } from './union.ts';

/** Where the ledger lies, with all that it speaks of. The paths of a data directory are such places. */
export interface TrustPlaces extends OwnPlaces {
  readonly trustedRoot: string;
}

/** Whom verifiers of an instance are to trust. */
export interface InstanceTrust {
  /** Everything, with own services by their path alone: `withPublicUrl` makes of it what is handed out. What is in force comes first, for clients that
   * look at the first CA or log only; then the recorded order, which is the one of being added; so the same directory always has the
   * same root, and recording it changes nothing. */
  readonly root: TrustedRoot;
  /** Of it what signs now. */
  readonly inForce: TrustedRoot;
  /** The logs in the directory, the one in use first. */
  readonly logs: readonly CtLogIdentity[];
  /** The logs of artifacts in use that have not ended, at most one for each API, of the first API first. */
  readonly artifactLogs: readonly ArtifactLogIdentity[];
  /** Which logs of the directory cannot be read, a sentence each: none of them is in use, and what is recorded of them counts. */
  readonly unreadable: readonly string[];
}

/** Reads it; opens no key and works beside a running service. Rejects with {@link TrustError} or LogError. */
export async function readTrust(places: TrustPlaces): Promise<InstanceTrust> {
  const recorded = await readRecorded(places.trustedRoot);
  const { inForce, others, logs, artifactLogs, unreadable } = await readOwnMaterial(places, recorded);
  const root = withInFront(unionOf([recorded, inForce, others]), inForce);
  return { root, inForce: keptOf(root, inForce), logs, artifactLogs, unreadable };
}

/** Records what {@link readTrust} returns, as `change` leaves it: with a window that ends, with entries of others; as {@link changeTrust} does. */
export const recordTrust = (
  places: TrustPlaces,
  change: (root: TrustedRoot) => TrustedRoot = (root) => root,
): Promise<InstanceTrust> =>
  locked(places, async () => {
    await changeLedger(places, ({ root }) => ({ root: change(root), result: undefined }));
    return readTrust(places);
  });

/** What is to be recorded, and what the one who decided it says of it. */
export interface TrustChange<T> {
  readonly root: TrustedRoot;
  readonly result: T;
}

/** Records what `decide` makes of what is trusted, and returns its result. Durable when it resolves; a crash leaves the old file or the new one. `decide` may
 * drop nothing; it is called once, with what no other process changes meanwhile, so what it checks holds; when it throws, nothing is written. Rejects with what
 * it throws, with what {@link readTrust} rejects with, and with {@link TrustError} `LEDGER_UNWRITABLE` or, when another process records for
 * ten seconds, `LEDGER_BUSY`. */
export const changeTrust = <T>(
  places: TrustPlaces,
  decide: (trust: InstanceTrust) => TrustChange<T>,
): Promise<T> => locked(places, () => changeLedger(places, decide));

async function locked<T>(places: TrustPlaces, work: () => Promise<T>): Promise<T> {
  const file = places.trustedRoot;
  await writing(file, async () => {
    await makeDirectory(dirname(file), dirname(dirname(file)));
    await shareOwner(dirname(file), places.chain);
  });
  const lock = join(dirname(file), '.lock');
  try {
    return await withFileLock(lock, LOCK_WAIT_MS, async () => {
      // A command of the superuser must not lock the service's user out.
      await shareOwner(lock, places.chain);
      // Of one that was killed.
      await removeTemporary(dirname(file)).catch(() => undefined);
      return work();
    });
  } catch (error) {
    if (error instanceof FileFault) throw unwritable(file, error);
    if (!(error instanceof LockTimeout)) throw error;
    throw new TrustError('LEDGER_BUSY', `another process changes ${file}`, {
      hint: 'Try again.',
      cause: error,
    });
  }
}

/** How long another process may write, in milliseconds. */
const LOCK_WAIT_MS = 10_000;

async function changeLedger<T>(
  places: TrustPlaces,
  decide: (trust: InstanceTrust) => TrustChange<T>,
): Promise<T> {
  const trust = await readTrust(places);
  const { root: changed, result } = decide(trust);
  const dropped = missingFrom(changed, trust.root);
  if (dropped.length > 0) throw new TypeError(`the ledger keeps what it has: ${dropped.join(', ')}`);
  const file = places.trustedRoot;
  const text = encodeTrustedRoot(changed);
  requireReadable(file, text);
  await writing(file, async () => {
    await writeDurably(file, utf8(text), 0o644);
    await shareOwner(file, places.chain);
  });
  return result;
}

/** What nobody could read again, as with more entries than are read, would replace what can be read. */
function requireReadable(file: string, text: string): void {
  try {
    if (text.length <= LIMIT) parseTrustedRoot(text);
    else throw new FormatError('TOO_LARGE', `more than ${LIMIT} bytes`);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new TrustError(
      'LEDGER_UNWRITABLE',
      `${file} is not written: it could not be read again: ${error.message}`,
      {
        hint: 'Nothing was recorded. Where that is too many CAs or logs: import fewer.',
        cause: error,
      },
    );
  }
}

async function writing(file: string, work: () => Promise<void>): Promise<void> {
  await work().catch((cause: unknown) => {
    throw unwritable(file, cause);
  });
}

const unwritable = (file: string, cause: unknown): TrustError =>
  new TrustError('LEDGER_UNWRITABLE', `${file} cannot be written: ${messageOf(cause)}`, {
    hint: 'The user that runs Mayfly must own the data directory, and the disk must not be full.',
    cause,
  });

/** More than the format allows. */
const LIMIT = 8 * 1024 * 1024;

/** What the file alone says, which has every end of a window; nothing where there is none. Rejects with {@link TrustError}. */
export async function readRecorded(file: string): Promise<TrustedRoot> {
  if (await isMissing(file)) return EMPTY_TRUSTED_ROOT;
  const bytes = await readWhole(file, { size: LIMIT }).catch((cause: unknown) => {
    throw new TrustError(
      'LEDGER_UNREADABLE',
      `${file} cannot be read: ${systemCode(cause) ?? messageOf(cause)}`,
      {
        hint: 'Check that this user may read the data directory, or restore the file from a backup.',
        cause,
      },
    );
  });
  try {
    return parseTrustedRoot(utf8Text(bytes));
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new TrustError('LEDGER_MALFORMED', `${file} is damaged: ${error.message}`, {
      hint: 'Restore it from a backup. Without the file, what is in the data directory would be trusted without the ends that were recorded.',
      cause: error,
    });
  }
}

/** The entries of `root` that stand in `part`: with the windows that are recorded. */
function keptOf(root: TrustedRoot, part: TrustedRoot): TrustedRoot {
  return {
    certificateAuthorities: root.certificateAuthorities.slice(0, part.certificateAuthorities.length),
    certificateLogs: root.certificateLogs.slice(0, part.certificateLogs.length),
    timestampAuthorities: root.timestampAuthorities.slice(0, part.timestampAuthorities.length),
    artifactLogs: root.artifactLogs.slice(0, part.artifactLogs.length),
  };
}
