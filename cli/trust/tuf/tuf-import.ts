import { messageOf } from '../../../core/errors.ts';
import { readFile, rm } from 'node:fs/promises';
import { systemFault } from '../../../instance/data-directory-error.ts';
import type { DataPaths } from '../../../instance/data-paths.ts';
import { openTufOnlineKeys } from '../../../instance/tuf-online-keys.ts';
import type { Signer } from '../../../signers/signer.ts';
import { replaceDurably, shareOwner, syncDirectory, writeDurably } from '../../../storage/durable-file.ts';
import { isMissing } from '../../../storage/read-whole.ts';
import { describeChange } from '../../../trust/tuf/change-text.ts';
import { importChanges } from '../../../trust/tuf/import-change.ts';
import { isOnlineKey } from '../../../trust/tuf/online-metadata.ts';
import { stateOf } from '../../../trust/tuf/stage-change.ts';
import { chainOfChanges, rootOf, type StagedChange } from '../../../trust/tuf/staged-change.ts';
import type { Repository } from '../../../trust/tuf/repository.ts';
import type { Speaker } from '../../program/command.ts';
import { readSecret } from '../../program/input-file.ts';
import { beginLines, openTufDirectory, rootOfRepository, type TufDirectoryOptions } from './tuf-directory.ts';
import { readStaged } from './tuf-sign.ts';

/** Options of `mayfly trust tuf import`. */
interface TufImportOptions extends TufDirectoryOptions {
  readonly passphraseFile?: string;
}

/** Publishes a change that was signed. Several files are copies of one, signed by several, or changes that follow one another. Rejects with the typed error of what does not fit, and then
 * nothing is published. */
export async function importTuf(
  options: TufImportOptions,
  speak: Speaker,
  files: readonly string[],
): Promise<undefined> {
  const changes = chainOfChanges(await Promise.all(files.map(readStaged)));
  const leading = changes.findLast(({ root }) => root !== undefined) ?? changes.at(-1);
  if (leading === undefined) throw new TypeError('there is no file');
  const { directory, urls } = await openTufDirectory(options, speak);
  const { paths } = directory;
  const passphrase = await readSecret(options.passphraseFile, 'passphrase');
  const keys = await openTufOnlineKeys(paths, rootOf(leading), passphrase);
  const signers = keys.opened.map(({ signer }) => signer);
  const { repository, replaced, isNew } = await importChanges(paths.tuf, changes, signers, Date.now());
  const movedKey = await moveOnlineKey(paths, keys.opened, repository);
  // Not from what the file says was in force: that may be older, or somebody's invention.
  const published = isNew ? describeChange(publishedFrom(replaced, repository), Date.now()) : [];
  const root = rootOfRepository(repository);
  const lines = [
    ...(isNew ? ['Published:', ...published] : ['All of it is published already; nothing was changed.']),
    ...keys.unopened.flatMap(({ file, error }) =>
      movedKey && file === paths.tufOnlineKey
        ? []
        : [`Not in use: ${file} cannot be opened: ${messageOf(error)}.`],
    ),
    ...(movedKey
      ? [
          `Online key: ${paths.tufOnlineKey} is the new one.`,
          'Make a backup of the directory now: no other has this key, and without it the change cannot be imported again.',
        ]
      : []),
    ...(isNew
      ? [
          'Keep the file with the backups: a directory that is restored from an older one gets it again by this command.',
        ]
      : []),
    ...(changes.every((change) => change.root === undefined) ? [] : beginLines(urls.publicUrl, root)),
  ];
  speak.answer(
    { published: isNew, changes: published, root, versions: versionsOf(repository) },
    lines.join('\n'),
  );
  return undefined;
}

/** What became of what was in force. */
const publishedFrom = (replaced: Repository, repository: Repository): StagedChange => ({
  before: stateOf(replaced),
  root: repository.root.signed.version === replaced.root.signed.version ? undefined : repository.root,
  targets:
    repository.targets.signed.version === replaced.targets.signed.version ? undefined : repository.targets,
  files: stateOf(repository).files,
});

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

/** When the root in force names the key that waits, that one takes the place of the old one. A crash before leaves both, and the service finds the right
 * one; the same command finishes. */
async function moveOnlineKey(
  paths: DataPaths,
  keys: readonly { readonly file: string; readonly signer: Signer }[],
  { root }: Repository,
): Promise<boolean> {
  const { tufOnlineKey, nextTufOnlineKey } = paths;
  const next = keys.find(({ file }) => file === nextTufOnlineKey);
  if (next === undefined || !isOnlineKey(root, next.signer.publicKey)) return false;
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
