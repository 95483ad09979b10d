/** A log of artifacts that is staged: which one it is, and what must hold of it. */
import { equalBytes, toBase64 } from '../core/bytes.ts';
import type { ArtifactApi } from '../rekor/log-identity.ts';
import { readStagedLog, type StagedArtifactLog } from '../rekor/staged-log.ts';
import { isMissing } from '../storage/read-whole.ts';
import { isWithin } from '../trust/format/trusted-root.ts';
import { readTrust } from '../trust/ledger.ts';
import { artifactLogPaths, artifactSuccession, type ArtifactLogPaths } from './artifact-logs.ts';
import type { DataPaths } from './data-paths.ts';
import { openKey } from './open-key.ts';
import { readKeyFile } from './private-key-file.ts';
import { notTrustedNow, RotationError } from './rotation-error.ts';

/** The logs of artifacts of one API, by their place in its history. */
export interface ArtifactHistory {
  /** Oldest first. */
  readonly former: readonly ArtifactLogPaths[];
  readonly current: ArtifactLogPaths;
  /** Where the one after it lies, or is going to. */
  readonly next: ArtifactLogPaths;
  /** What is known of that, once it is staged. */
  readonly staged: StagedArtifactLog | undefined;
}

/** Reads it. Rejects with {@link RotationError} where there is no log of that API, and with LogError and DataDirectoryError. */
export async function readArtifactHistory(paths: DataPaths, api: ArtifactApi): Promise<ArtifactHistory> {
  const logs = await artifactSuccession(paths, api);
  if (logs === undefined)
    throw new RotationError('REFUSED', `${paths.root} has no log of artifacts for Rekor v${api}`, {
      hint: 'Make the first one with `mayfly rekor init`.',
    });
  const { current, former } = logs;
  const next = artifactLogPaths(paths, api, current.shard + 1);
  return { former, current, next, staged: await readStagedLog(next.staged) };
}

/** Rejects with {@link RotationError} where verifiers do not trust the staged log at `now`, milliseconds since the epoch: everything that it logs would be refused. */
export async function requireTrustedStaged(
  { next, staged }: ArtifactHistory,
  paths: DataPaths,
  now: number,
): Promise<void> {
  const { root } = await readTrust(paths);
  const entry = root.artifactLogs.find(
    ({ logId }) => staged !== undefined && equalBytes(logId, staged.logId),
  );
  if (entry === undefined || isWithin(entry.window, now)) return;
  throw notTrustedNow(
    `${next.name} is staged, but it`,
    entry.window,
    'Give it up with --discard, and stage another log.',
  );
}

/** The error where none is. */
export const noArtifactLogStaged = ({ current }: ArtifactHistory): RotationError =>
  new RotationError('REFUSED', `no log is staged to follow ${current.name}`, {
    hint: 'Make one with --stage, let verifiers have its key, and switch to it then.',
  });

/** What lies where the key of the next log belongs while nothing says what it is for: a key, or what a crash left of writing one. */
export async function keyAlone({ next, staged }: ArtifactHistory): Promise<'none' | 'torn' | 'whole'> {
  if (staged !== undefined || (await isMissing(next.key))) return 'none';
  const text = Buffer.from(await readKeyFile(next.key)).toString('latin1');
  return text.includes('-----END') ? 'whole' : 'torn';
}

/** What an interrupted staging left is of no log, and nobody was given it. Rejects with {@link RotationError} for a key that verifiers trust: it is of a log that was here, and a key signs one tree, for
 * ever. */
export async function requireUnknownKey(
  { next }: ArtifactHistory,
  paths: DataPaths,
  passphrase: string | undefined,
): Promise<void> {
  const { publicKey } = await openKey(next.key, { passphrase });
  const known = (await readTrust(paths)).root.artifactLogs.find((log) =>
    equalBytes(log.publicKey, publicKey),
  );
  if (known === undefined) return;
  throw new RotationError('REFUSED', `${next.key} is the key of a log that was in ${next.directory}`, {
    hint: `Verifiers trust it (log id ${toBase64(known.logId)}). Put the log back from a copy of when it took its last entry. Without one, move the key away and end its time, as in docs/rotation.md, "A restored backup".`,
  });
}
