/** The certificate log as it is followed: out of its data tiles, in a directory or behind a URL. */
import { readIdentity } from '../../../ct-log/log-identity.ts';
import { TILE_LEAVES } from '../../../ct-log/tile-leaves.ts';
import type { LogSource } from '../../../ct-log/source.ts';
import { logNamesIn } from '../../../instance/data-directory.ts';
import { certificateLogPaths, dataPaths } from '../../../instance/data-paths.ts';
import { certificateView } from '../../../search/searchable-log.ts';
import { sha256 } from '../../../tlog/core/sha256.ts';
import { hashLeaf } from '../../../tlog/format/merkle.ts';
import type { Speaker } from '../../program/command.ts';
import { headOf } from '../log-head.ts';
import {
  isOneLog,
  logDirectory,
  logsListedAt,
  nameOf,
  openTarget,
  type LogTarget,
  type TargetOptions,
} from '../log-target.ts';
import type { LogOpener } from './artifact-logs.ts';
import type { FollowedLog } from './followed-log.ts';
import { bundleOf, hashesOf, tileProofs } from './tiles.ts';

/** The one in use, or the one that the options name, at its newest head. */
export const followCertificates = async (options: TargetOptions, speak: Speaker): Promise<FollowedLog> =>
  followed('certificates', await openTarget(options, speak));

/** The certificate logs that the one in use has followed, oldest first in a directory; none where the options name one log. They are in the directory, or served beside it, for good. Rejects with
 * {@link CommandError}, DataDirectoryError and LogError. */
export async function formerCertificateLogs(
  options: TargetOptions,
  speak: Speaker,
): Promise<readonly LogOpener[]> {
  const names = await formerLogNames(options);
  return names.map((name) => {
    const called = `certificates-${name}`;
    const open = async (): Promise<FollowedLog> => ({
      ...(await followed(called, await openTarget({ ...options, log: name }, speak))),
      isFormer: true,
    });
    return { name: called, open };
  });
}

/** What the certificate logs are called that the one in use has followed, oldest first in a directory; none where the options name one log, or where what they name is one log.
 * Rejects with {@link CommandError}, DataDirectoryError and LogError. */
export async function formerLogNames(options: TargetOptions): Promise<readonly string[]> {
  const { data, url = '' } = options;
  if (nameOf(options) !== undefined || (data !== undefined && (await isOneLog(data)))) return [];
  return data === undefined ? formerAt(url, options) : formerIn(data, options);
}

/** One that was staged is none of them: it has no certificate. */
async function formerAt(url: string, options: TargetOptions): Promise<readonly string[]> {
  const logs = (await logsListedAt(url, options)) ?? [];
  return logs.filter(({ isInUse, isStaged }) => !isInUse && !isStaged).map(({ name }) => name);
}

/** One that does not say who it is may be one of them: it is opened, which says what is wrong. */
async function formerIn(data: string, options: TargetOptions): Promise<readonly string[]> {
  const paths = dataPaths(data);
  const inUse = await readIdentity(await logDirectory(data, options));
  const births = await Promise.all(
    (await logNamesIn(paths)).map(async (name) => {
      const identity = await readIdentity(certificateLogPaths(paths, name).directory).catch(() => undefined);
      return { name, createdAt: identity?.createdAt ?? 0 };
    }),
  );
  return births
    .filter(({ name, createdAt }) => name !== inUse.name && createdAt < inUse.createdAt)
    .sort((a, b) => a.createdAt - b.createdAt)
    .map(({ name }) => name);
}

async function followed(name: string, target: LogTarget): Promise<FollowedLog> {
  const { origin, size, root, checkpoint } = await headOf(target);
  const { source, logId } = target;
  return {
    name,
    kind: 'certificates',
    origin,
    logId,
    size,
    root,
    checkpoint,
    ...certificateReads(source, size),
  };
}

const certificateReads = (
  source: LogSource,
  size: number,
): Pick<FollowedLog, 'entriesFrom' | 'consistency' | 'inclusion' | 'frontier' | 'close'> => ({
  entriesFrom: async (first) => {
    const { start, entries } = await bundleOf(source, TILE_LEAVES, first, size);
    return entries.slice(first - start).map((leaf, i) => {
      const index = first + i;
      const { leaf: body, precertificate } = leaf;
      const leafHash = hashLeaf(sha256, body);
      const entry = { index, leafHash, body, namedDigests: [], precertificate, leaf };
      return { index, leafHash, isRedacted: false, view: certificateView(entry) };
    });
  },
  ...tileProofs(hashesOf(source, size), size),
  close: () => Promise.resolve(),
});
