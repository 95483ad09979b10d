import { stat } from 'node:fs/promises';
import { createPublicKey, type KeyObject } from 'node:crypto';
import { systemFault } from '../../../instance/data-directory-error.ts';
import type { DataPaths } from '../../../instance/data-paths.ts';
import { openKey } from '../../../instance/open-key.ts';
import { passphraseForNewKey, writeNewKey } from '../../../instance/private-key-file.ts';
import { openTufOnlineKeys } from '../../../instance/tuf-online-keys.ts';
import { rfc3339 } from '../../../core/clock.ts';
import { utf8 } from '../../../core/bytes.ts';
import { isOnlineKey } from '../../../trust/tuf/online-metadata.ts';
import type { Repository } from '../../../trust/tuf/repository.ts';
import { writeKeyPem } from '../../../signers/key-file.ts';
import { generateKey } from '../../../signers/key-types.ts';
import { replaceDurably } from '../../../storage/durable-file.ts';
import { quotedPath } from '../../../storage/quoted-path.ts';
import { isMissing } from '../../../storage/read-whole.ts';
import { describeChange } from '../../../trust/tuf/change-text.ts';
import { stageChangeOn, stateAfter, stateOf, type KeyEdits } from '../../../trust/tuf/stage-change.ts';
import {
  encodeStagedChange,
  mergeSignatures,
  parseStagedChange,
  type StagedChange,
} from '../../../trust/tuf/staged-change.ts';
import { tufKeyOfPem } from '../../../trust/tuf/tuf-key.ts';
import { writeOutput } from '../../ca/ca-output.ts';
import { CommandError, type Speaker } from '../../program/command.ts';
import { readLimited, readSecret } from '../../program/input-file.ts';
import { invocation } from '../../program/invocation.ts';
import { parseInteger } from '../../program/options.ts';
import { signerLines } from './signer-lines.ts';
import { readStaged } from './tuf-sign.ts';
import { openTufDirectory, repositoryOf, wantedTargets, type TufDirectoryOptions } from './tuf-directory.ts';

/** Options of `mayfly trust tuf stage`. A value such as `root:FILE` is for one role; without a role it is for root and targets. */
interface TufStageOptions extends TufDirectoryOptions {
  readonly out: string;
  readonly renew?: boolean;
  readonly addKey?: readonly string[];
  readonly removeKey?: readonly string[];
  readonly threshold?: readonly string[];
  readonly newOnlineKey?: boolean;
  readonly replaceWaiting?: boolean;
  readonly on?: readonly string[];
  readonly passphraseFile?: string;
}

/** Writes a change for others to sign. Rejects with the typed error of what is wrong. */
export async function stageTuf(options: TufStageOptions, speak: Speaker): Promise<undefined> {
  if (options.replaceWaiting === true && options.newOnlineKey !== true)
    throw new CommandError('USAGE', '--replace-waiting is for --new-online-key', { hint: 'Give both.' });
  const opened = await openTufDirectory(options, speak);
  const repository = await repositoryOf(opened);
  const contents = await wantedTargets(opened);
  const { paths } = opened.directory;
  const base = options.on === undefined ? stateOf(repository) : await stateOfFiles(options.on);
  const next = options.newOnlineKey === true ? await nextOnlineKey(paths, options, repository) : undefined;
  const [root, targets] = [await editsOf('root', options), await editsOf('targets', options)];
  const request = { contents, root, targets, onlineKey: next?.spki, renew: options.renew === true };
  const change = stageChangeOn(base, request, Date.now());
  if (change === undefined)
    throw new CommandError('REFUSED', 'nothing would change: clients get what is exported already', {
      hint: 'For a new end of root and targets alone, as once a year, give --renew.',
    });
  const text = encodeStagedChange(change);
  // What nobody could read or publish afterwards is not worth a ceremony.
  parseStagedChange(text);
  await writeOutput(options.out, text, '--out');
  const changes = describeChange(change, Date.now());
  const lines = [
    ...changes,
    ...signerLines(change),
    ...(next === undefined ? [] : next.lines),
    `Written to ${options.out}. Nothing is published yet. Where a key is:`,
    `  mayfly trust tuf sign ${options.out} --key KEY`,
    'and here again, when all have signed:',
    `  ${invocation()} trust tuf import ${[...(options.on ?? []), options.out].join(' ')} --data ${quotedPath(options.data)}`,
  ];
  speak.answer({ out: options.out, changes }, lines.join('\n'));
  return undefined;
}

/** What another change leads to; several files are copies of it. */
async function stateOfFiles(files: readonly string[]): Promise<StagedChange['before']> {
  return stateAfter(mergeSignatures(await Promise.all(files.map(readStaged))));
}

/** An online key that is to follow. */
interface NextOnlineKey {
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  /** What people should know of it. */
  readonly lines: readonly string[];
}

/** Who stages a second time gets the same key, the one that waits: unless another one is asked for. */
async function nextOnlineKey(
  paths: DataPaths,
  { passphraseFile, replaceWaiting }: TufStageOptions,
  repository: Repository,
): Promise<NextOnlineKey> {
  const passphrase = await readSecret(passphraseFile, 'passphrase');
  const file = paths.nextTufOnlineKey;
  const shared = await passphraseForNewKey(paths, file, passphrase);
  const isThere = !(await isMissing(file));
  if (isThere && replaceWaiting !== true) {
    const { publicKey } = await openKey(file, { passphrase });
    const since = rfc3339((await stat(file)).mtimeMs);
    return {
      spki: publicKey,
      lines: [
        `Online key: the one that waits in ${file} since ${since}. After a break-in the thief has it too: make another one with --replace-waiting.`,
      ],
    };
  }
  if (isThere) await requireUnused(paths, repository, passphrase);
  const key = await generateKey('p256');
  await writeNextKey(paths, key, shared, isThere);
  const lines = [
    `Online key: a new one waits in ${file}.`,
    ...(isThere ? ['What was staged with the one before cannot be imported any more.'] : []),
  ];
  return { spki: spkiOf(key), lines };
}

async function writeNextKey(
  paths: DataPaths,
  key: KeyObject,
  passphrase: string | undefined,
  isThere: boolean,
): Promise<void> {
  const file = paths.nextTufOnlineKey;
  if (!isThere) {
    await writeNewKey(paths, file, key, passphrase);
    return;
  }
  await replaceDurably(file, utf8(writeKeyPem(key, passphrase))).catch((error: unknown) => {
    throw systemFault(file, 'write', error);
  });
}

/** A key that the root in force names is the one that the service signs with, wherever it lies. */
async function requireUnused(
  paths: DataPaths,
  { root }: Repository,
  passphrase: string | undefined,
): Promise<void> {
  const { opened } = await openTufOnlineKeys(paths, root, passphrase);
  const used = opened.find(({ signer }) => isOnlineKey(root, signer.publicKey));
  if (used?.file === paths.tufOnlineKey) return;
  throw new CommandError('REFUSED', `${paths.nextTufOnlineKey} is in use, or nobody can say that it is not`, {
    hint: 'If its change was published, import the same file again: that puts the key in its place. If neither key is the one that the root names, move this file away.',
  });
}

const spkiOf = (key: KeyObject): Uint8Array =>
  new Uint8Array(createPublicKey(key).export({ type: 'spki', format: 'der' }));

type Role = 'root' | 'targets';

async function editsOf(role: Role, { addKey, removeKey, threshold }: TufStageOptions): Promise<KeyEdits> {
  const files = valuesFor(role, addKey);
  const pems = await Promise.all(
    files.map(async (file) => Buffer.from(await readLimited(file, '--add-key')).toString()),
  );
  const last = valuesFor(role, threshold).at(-1);
  return {
    add: pems.map(tufKeyOfPem),
    remove: valuesFor(role, removeKey),
    threshold: last === undefined ? undefined : parseInteger(last, '--threshold', 1, 64),
  };
}

const valuesFor = (role: Role, values: readonly string[] = []): string[] =>
  values.flatMap((value) => {
    const [, of, rest] = /^(root|targets):(.*)$/s.exec(value) ?? [];
    if (of === undefined) return [value];
    return of === role ? [rest ?? ''] : [];
  });
