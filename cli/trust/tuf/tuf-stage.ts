import { readFile } from 'node:fs/promises';
import { createPublicKey, type KeyObject } from 'node:crypto';
import { systemFault } from '../../../instance/data-directory-error.ts';
import type { DataPaths } from '../../../instance/data-paths.ts';
import { openKey } from '../../../instance/open-key.ts';
import { writeKeyPem } from '../../../signers/key-file.ts';
import { generateKey } from '../../../signers/key-types.ts';
import { shareOwner, syncDirectory, writeNew } from '../../../storage/durable-file.ts';
import { quotedPath } from '../../../storage/quoted-path.ts';
import { isMissing } from '../../../storage/read-whole.ts';
import { describeChange } from '../../../trust/tuf/change-text.ts';
import { stageChange, type KeyEdits } from '../../../trust/tuf/stage-change.ts';
import { encodeStagedChange, parseStagedChange } from '../../../trust/tuf/staged-change.ts';
import { tufKeyOfPem } from '../../../trust/tuf/tuf-key.ts';
import { writeOutput } from '../../ca/ca-output.ts';
import { CommandError, type Speaker } from '../../program/command.ts';
import { readLimited, readSecret } from '../../program/input-file.ts';
import { invocation } from '../../program/invocation.ts';
import { parseInteger } from '../../program/options.ts';
import { signerLines } from './signer-lines.ts';
import { openTufDirectory, repositoryOf, wantedTargets, type TufDirectoryOptions } from './tuf-directory.ts';

/** Options of `mayfly trust tuf stage`. A value such as `root:FILE` is for one role; without a role it is for root and targets. */
interface TufStageOptions extends TufDirectoryOptions {
  readonly out: string;
  readonly renew?: boolean;
  readonly addKey?: readonly string[];
  readonly removeKey?: readonly string[];
  readonly threshold?: readonly string[];
  readonly newOnlineKey?: boolean;
  readonly passphraseFile?: string;
}

/** Writes a change for others to sign. Rejects with the typed error of what is wrong. */
export async function stageTuf(options: TufStageOptions, speak: Speaker): Promise<undefined> {
  const opened = await openTufDirectory(options, speak);
  const repository = await repositoryOf(opened);
  const contents = await wantedTargets(opened);
  const { paths } = opened.directory;
  const onlineKey = options.newOnlineKey === true ? await nextOnlineKey(paths, options) : undefined;
  const [root, targets] = [await editsOf('root', options), await editsOf('targets', options)];
  const request = { contents, root, targets, onlineKey, renew: options.renew === true };
  const change = stageChange(repository, request, Date.now());
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
    `Written to ${options.out}. Nothing is published yet. Where a key is:`,
    `  mayfly trust tuf sign ${options.out} --key KEY`,
    'and here again, when all have signed:',
    `  ${invocation()} trust tuf import ${options.out} --data ${quotedPath(options.data)}`,
  ];
  speak.answer({ out: options.out, changes }, lines.join('\n'));
  return undefined;
}

/** Who stages a second time gets the same key: the one that waits. */
async function nextOnlineKey(paths: DataPaths, { passphraseFile }: TufStageOptions): Promise<Uint8Array> {
  const passphrase = await readSecret(passphraseFile, 'passphrase');
  const file = paths.nextTufOnlineKey;
  await requireRightPassphrase(paths, passphrase);
  if (!(await isMissing(file))) return (await openKey(file, passphrase)).publicKey;
  const key = await generateKey('p256');
  try {
    await writeNew(
      file,
      writeKeyPem(key, (await isEncrypted(paths)) ? requirePassphrase(passphrase) : undefined),
      0o600,
    );
    await shareOwner(file, paths.keys);
    await syncDirectory(paths.keys);
  } catch (error) {
    throw error instanceof CommandError ? error : systemFault(file, 'write', error);
  }
  return spkiOf(key);
}

/** The service is started with one passphrase, or none, so the key is encrypted as the issuing key is: the online key itself may be lost. */
const isEncrypted = async ({ intermediateKey }: DataPaths): Promise<boolean> =>
  /ENCRYPTED/.test(await readFile(intermediateKey, 'latin1').catch(() => ''));

/** A key that waits under another passphrase could never be used: a key that the service opens has to open now. */
async function requireRightPassphrase(
  { intermediateKey, tufOnlineKey }: DataPaths,
  passphrase: string | undefined,
): Promise<void> {
  if (passphrase === undefined) return;
  for (const file of [intermediateKey, tufOnlineKey])
    if (!(await isMissing(file))) {
      await openKey(file, passphrase);
      return;
    }
}

function requirePassphrase(passphrase: string | undefined): string {
  if (passphrase !== undefined) return passphrase;
  throw new CommandError('USAGE', 'the keys of this directory are encrypted, and a new one has to be, too', {
    hint: 'Pass the passphrase in a file with --passphrase-file.',
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
