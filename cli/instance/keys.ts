/** `mayfly keys`: keys wherever they are, and another passphrase for key files. */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { KeyFileError } from '../../signers/key-error.ts';
import { readPrivateKey, writeKeyPem } from '../../signers/key-file.ts';
import { changing } from '../../instance/change-lock.ts';
import { openDataDirectory } from '../../instance/data-directory.ts';
import { systemFault } from '../../instance/data-directory-error.ts';
import { serviceKeyFiles } from '../../instance/private-key-file.ts';
import { utf8 } from '../../core/bytes.ts';
import { replaceDurably } from '../../storage/durable-file.ts';
import { registerKeyCommands } from './key-check.ts';
import { action, CommandError, type RegisterCommand, type Speaker } from '../program/command.ts';
import { readLimited, readSecret } from '../program/input-file.ts';

interface PassphraseOptions {
  readonly data?: string;
  readonly key?: string;
  readonly passphraseFile?: string;
  readonly newPassphraseFile: string;
}

const EXAMPLES = `
Examples:
  mayfly keys passphrase --data /var/lib/mayfly --passphrase-file old.txt --new-passphrase-file new.txt
  mayfly keys passphrase --key /media/safe/root.key.pem --passphrase-file old.txt --new-passphrase-file root.txt
  mayfly keys passphrase --data ./data --new-passphrase-file new.txt       keys that were not encrypted

The first line of each file is taken. Every key is opened before the first one is written, and each file is replaced
whole: a crash leaves the old one or the new one. After a crash between two of them run the same command again: what
opens with the new passphrase already is left as it is. A running service needs nothing; give it the new passphrase at
its next start, and keep the old one for as long as you keep backups that need it.`;

/** Adds `keys`. */
export const register: RegisterCommand = (program) => {
  const keys = program
    .command('keys')
    .summary('check, show and make keys, change their passphrase')
    .description('Keys in files, in tokens and elsewhere.')
    .addHelpText('after', EXAMPLES);
  registerKeyCommands(keys);
  keys
    .command('passphrase')
    .summary('encrypt keys with another passphrase')
    .description('Encrypts all keys of a data directory, or one key file, with another passphrase.')
    .option('--data <dir>', 'the data directory; the service may run on it')
    .option('--key <file>', 'one key file, such as the root key, instead')
    .option('--passphrase-file <file>', 'what opens the keys now; leave it out if they are not encrypted')
    .requiredOption('--new-passphrase-file <file>', 'what is to open them')
    .option('--json', 'print {"changed":[…],"unchanged":[…]}')
    .addHelpText('after', EXAMPLES)
    .action(action(changePassphrase));
};

/** Rejects with the typed error of what is wrong; then no key was changed. */
export async function changePassphrase(options: PassphraseOptions, speak: Speaker): Promise<undefined> {
  const { data } = options;
  if (data === undefined || options.key !== undefined) await change(options, speak);
  // A key that a renewal makes meanwhile would keep the old passphrase.
  else await changing(data, () => change(options, speak));
  return undefined;
}

async function change(options: PassphraseOptions, speak: Speaker): Promise<void> {
  const files = await filesOf(options);
  if (files.length === 0)
    throw new CommandError('REFUSED', `${options.data ?? ''} has no key file: nothing was changed`, {
      hint: 'Keys that are elsewhere have no passphrase of the service; mayfly.keys in its configuration names them.',
    });
  const old = await readSecret(options.passphraseFile, 'passphrase');
  const passphrase = (await readSecret(options.newPassphraseFile, 'new passphrase')) ?? '';
  const keys: OpenedKey[] = [];
  for (const file of files) keys.push(await open(file, old, passphrase));
  const changed = keys.filter(({ isDone }) => !isDone);
  for (const { file, key } of changed) await replace(file, key, passphrase);
  const unchanged = keys.filter(({ isDone }) => isDone).map(({ file }) => file);
  const lines = [
    ...changed.map(({ file }) => `Changed  ${file}`),
    ...unchanged.map((file) => `As it was, with the new passphrase already  ${file}`),
    ...(options.key === undefined ? ['Next: give the service the new passphrase at its next start.'] : []),
  ];
  speak.answer({ changed: changed.map(({ file }) => file), unchanged }, lines.join('\n'));
}

async function filesOf({ data, key }: PassphraseOptions): Promise<readonly string[]> {
  if ((data === undefined) === (key === undefined))
    throw new CommandError('USAGE', 'say which keys: --data DIR or --key FILE', {
      hint: '--data means all keys that the service opens; a root key elsewhere is one file.',
    });
  if (key !== undefined) return [key];
  const { paths } = await openDataDirectory(data ?? '', { write: true });
  return serviceKeyFiles(paths);
}

interface OpenedKey {
  readonly file: string;
  readonly key: KeyObject;
  /** Whether the new passphrase opens it already. */
  readonly isDone: boolean;
}

async function open(file: string, old: string | undefined, passphrase: string): Promise<OpenedKey> {
  const bytes = await readLimited(file, 'the key');
  const isEncrypted = /ENCRYPTED/.test(Buffer.from(bytes).toString('latin1'));
  try {
    return { file, key: await readPrivateKey(bytes, old), isDone: isEncrypted && old === passphrase };
  } catch (error) {
    if (!(error instanceof KeyFileError)) throw error;
    const done = isEncrypted ? await readPrivateKey(bytes, passphrase).catch(() => undefined) : undefined;
    if (done !== undefined) return { file, key: done, isDone: true };
    throw new KeyFileError(error.code, `${file}: ${error.message}; nothing was changed`, {
      hint: error.hint,
    });
  }
}

/** Nothing is written that would not open. */
async function replace(file: string, key: KeyObject, passphrase: string): Promise<void> {
  const pem = writeKeyPem(key, passphrase);
  const again = createPublicKey(await readPrivateKey(pem, passphrase));
  if (!again.equals(createPublicKey(key))) throw new TypeError('the key was not encrypted as it should be');
  await replaceDurably(file, utf8(pem)).catch((error: unknown) => {
    throw systemFault(file, 'write', error);
  });
}
