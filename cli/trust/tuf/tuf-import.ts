import { readFile, rm } from 'node:fs/promises';
import { systemFault } from '../../../instance/data-directory-error.ts';
import type { DataPaths } from '../../../instance/data-paths.ts';
import { openKey } from '../../../instance/open-key.ts';
import type { Signer } from '../../../signers/signer.ts';
import { replaceDurably, shareOwner, syncDirectory, writeDurably } from '../../../storage/durable-file.ts';
import { isMissing } from '../../../storage/read-whole.ts';
import { describeChange } from '../../../trust/tuf/change-text.ts';
import { importChange } from '../../../trust/tuf/import-change.ts';
import { isOnlineKey } from '../../../trust/tuf/online-metadata.ts';
import { mergeSignatures } from '../../../trust/tuf/staged-change.ts';
import type { Repository } from '../../../trust/tuf/repository.ts';
import type { Speaker } from '../../program/command.ts';
import { readSecret } from '../../program/input-file.ts';
import { beginLines, openTufDirectory, rootOfRepository, type TufDirectoryOptions } from './tuf-directory.ts';
import { readStaged } from './tuf-sign.ts';

/** Options of `mayfly trust tuf import`. */
interface TufImportOptions extends TufDirectoryOptions {
  readonly passphraseFile?: string;
}

/** Publishes a change that was signed; several files are copies of one, signed by several. Rejects with the typed error of what does not fit, and then
 * nothing is published. */
export async function importTuf(
  options: TufImportOptions,
  speak: Speaker,
  files: readonly string[],
): Promise<undefined> {
  const change = mergeSignatures(await Promise.all(files.map(readStaged)));
  const { directory, urls } = await openTufDirectory(options, speak);
  const { paths } = directory;
  const keys = await openOnlineKeys(paths, await readSecret(options.passphraseFile, 'passphrase'));
  const { repository, isNew } = await importChange(paths.tuf, change, keys, Date.now());
  const movedKey = await moveOnlineKey(paths, keys, repository);
  const changes = isNew ? describeChange(change) : [];
  const root = rootOfRepository(repository);
  const lines = [
    ...(isNew ? ['Published:', ...changes] : ['All of it is published already; nothing was changed.']),
    ...(movedKey ? [`Online key: ${paths.tufOnlineKey} is the new one.`] : []),
    ...(isNew
      ? [
          'Keep the file with the backups: a directory that is restored from an older one gets it again by this command.',
        ]
      : []),
    ...(change.root === undefined ? [] : beginLines(urls.publicUrl, root)),
  ];
  speak.answer({ published: isNew, changes, root, versions: versionsOf(repository) }, lines.join('\n'));
  return undefined;
}

const versionsOf = ({
  root,
  targets,
  snapshot,
  timestamp,
}: Repository): Readonly<Record<string, number>> => ({
  root: root.signed.version,
  targets: targets.signed.version,
  snapshot: snapshot.signed.version,
  timestamp: timestamp.signed.version,
});

async function openOnlineKeys(
  { tufOnlineKey, nextTufOnlineKey }: DataPaths,
  passphrase: string | undefined,
): Promise<readonly Signer[]> {
  const signers: Signer[] = [];
  for (const file of [tufOnlineKey, nextTufOnlineKey])
    if (!(await isMissing(file))) signers.push(await openKey(file, passphrase));
  return signers;
}

/** When the root in force names the key that waits, that one takes the place of the old one. A crash before leaves both, and the service finds the right
 * one; the same command finishes. */
async function moveOnlineKey(
  paths: DataPaths,
  keys: readonly Signer[],
  { root }: Repository,
): Promise<boolean> {
  const { tufOnlineKey, nextTufOnlineKey } = paths;
  const next = keys.at(-1);
  if (next === undefined || (await isMissing(nextTufOnlineKey)) || !isOnlineKey(root, next.publicKey))
    return false;
  try {
    const pem = await readFile(nextTufOnlineKey);
    if (await isMissing(tufOnlineKey)) {
      await writeDurably(tufOnlineKey, pem, 0o600);
      await shareOwner(tufOnlineKey, paths.keys);
    } else await replaceDurably(tufOnlineKey, pem);
    await rm(nextTufOnlineKey);
    await syncDirectory(paths.keys);
  } catch (error) {
    throw systemFault(tufOnlineKey, 'write', error);
  }
  return true;
}
