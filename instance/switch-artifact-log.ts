/** Ends the log of artifacts in use, and begins the one that is staged. */
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { equalBytes } from '../core/bytes.ts';
import type { Clock } from '../core/clock.ts';
import { placesLike } from '../tlog/store/store-places.ts';
import { createArtifactLog } from '../rekor/create-artifact-log.ts';
import { endArtifactLog, endedArtifactLog, type EndedArtifactLog } from '../rekor/end-artifact-log.ts';
import {
  readArtifactLogIdentity,
  type ArtifactApi,
  type ArtifactLogIdentity,
} from '../rekor/log-identity.ts';
import type { StagedArtifactLog } from '../rekor/staged-log.ts';
import type { Signer } from '../signers/signer.ts';
import { syncDirectory } from '../storage/durable-file.ts';
import { isMissing } from '../storage/read-whole.ts';
import { LogError } from '../tlog/core/log-error.ts';
import { recordTrust } from '../trust/ledger.ts';
import type { ArtifactLogPaths } from './artifact-logs.ts';
import { systemFault } from './data-directory-error.ts';
import type { DataPaths } from './data-paths.ts';
import { openKey } from './open-key.ts';
import { shareOwnerOfAll } from './share-owner.ts';
import { noArtifactLogStaged, readArtifactHistory, requireTrustedStaged } from './staged-artifact-log.ts';

/** What is to be done. */
interface SwitchArtifactRequest {
  readonly paths: DataPaths;
  readonly api: ArtifactApi;
  /** Opens the keys of the directory. */
  readonly passphrase: string | undefined;
  readonly clock: Clock;
}

/** The logs of one API afterwards. */
export interface SwitchedArtifacts {
  readonly current: { readonly paths: ArtifactLogPaths; readonly identity: ArtifactLogIdentity };
  /** False when it was in use before. */
  readonly isNew: boolean;
  /** Oldest first. */
  readonly former: readonly { readonly paths: ArtifactLogPaths; readonly ended: EndedArtifactLog }[];
}

/**
 * Puts the staged log in the place of the one in use, which no process may write. Each step is durable, and after a crash the same call finishes: the log in use ends; the staged
 * one begins, with its own first entry, whole or not at all; what said that it was staged is removed; the time of those before it ends for verifiers. A service that is started in
 * between serves the log that ended for reading. Rejects with {@link RotationError} when none is staged, with LogError (`LOG_LOCKED` while a service writes the log), DataDirectoryError,
 * KeyFileError and TrustError.
 */
export async function switchArtifactLog(request: SwitchArtifactRequest): Promise<SwitchedArtifacts> {
  const { paths, api, passphrase, clock } = request;
  const history = await readArtifactHistory(paths, api);
  const { current, next, former, staged } = history;
  if (staged === undefined) {
    if (former.length === 0) throw noArtifactLogStaged(history);
    return finish(request, current, former, false);
  }
  await requireTrustedStaged(history, paths, clock());
  const signer = await signerOf(next, staged, passphrase);
  const { identity, head } = await endLog(current, request);
  await createArtifactLog({
    directory: next.directory,
    api,
    host: staged.host,
    signer,
    firstLogIndex: api === 1 ? identity.firstLogIndex + head.size : 0,
    places: await placesLike(current.directory, `artifacts-${next.name}`),
    clock,
  });
  return finish(request, next, [...former, current], true);
}

async function finish(
  request: SwitchArtifactRequest,
  current: ArtifactLogPaths,
  former: readonly ArtifactLogPaths[],
  isNew: boolean,
): Promise<SwitchedArtifacts> {
  await shareOwnerOfAll(current.directory, former[0]?.identity ?? current.identity);
  if (!(await isMissing(current.staged))) await removeFile(current.staged);
  const ended: SwitchedArtifacts['former'][number][] = [];
  for (const paths of former) {
    const one = await endLog(paths, request);
    await endArtifactTrust(request.paths, one);
    ended.push({ paths, ended: one });
  }
  const identity = await readArtifactLogIdentity(current.directory);
  return { current: { paths: current, identity }, isNew, former: ended };
}

/** The key of one that has ended need not be there. */
async function endLog(
  { directory, identity, key }: ArtifactLogPaths,
  { passphrase, clock }: SwitchArtifactRequest,
): Promise<EndedArtifactLog> {
  const before = await endedArtifactLog(directory);
  if (before !== undefined) return before;
  const ended = await endArtifactLog(directory, await openKey(key, { passphrase }), clock);
  await shareOwnerOfAll(directory, identity);
  return ended;
}

/** Ends the time for which verifiers believe that a log takes entries, unless it has an end already. In whole seconds, as trusted roots have them: what was logged in the last one was logged
 * before the end. Rejects with TrustError. */
export async function endArtifactTrust(
  paths: DataPaths,
  { identity, frozenAt }: EndedArtifactLog,
): Promise<void> {
  const end = Math.ceil(frozenAt / 1000) * 1000;
  await recordTrust(paths, (root) => ({
    ...root,
    artifactLogs: root.artifactLogs.map((log) =>
      equalBytes(log.logId, identity.logId) && log.window.end === undefined
        ? { ...log, window: { ...log.window, end } }
        : log,
    ),
  }));
}

/** Before anything ends: what the staged log is to sign with. */
async function signerOf(
  { key }: ArtifactLogPaths,
  { publicKey }: StagedArtifactLog,
  passphrase: string | undefined,
): Promise<Signer> {
  const signer = await openKey(key, { passphrase });
  if (equalBytes(signer.publicKey, publicKey)) return signer;
  throw new LogError('LOG_WRONG_KEY', `${key} is not the key of the log that is staged`, {
    hint: 'Restore it from a copy; or give the staged log up with --discard, and stage another one.',
  });
}

async function removeFile(file: string): Promise<void> {
  try {
    await rm(file, { force: true });
    await syncDirectory(dirname(file));
  } catch (error) {
    throw systemFault(file, 'write', error);
  }
}
