/** What `mayfly tsa` works on: the chains and keys for timestamps in a data directory. */
import type { KeyObject } from 'node:crypto';
import { CA_KEY_TYPES } from '../../ca/certify.ts';
import { TIMESTAMP_KEY_TYPE } from '../../ca/timestamp-certificate.ts';
import { changing } from '../../instance/change-lock.ts';
import { systemFault } from '../../instance/data-directory-error.ts';
import type { DataPaths } from '../../instance/data-paths.ts';
import { KeyFileError } from '../../signers/key-error.ts';
import { readPrivateKey, writeKeyPem } from '../../signers/key-file.ts';
import { generateKey } from '../../signers/key-types.ts';
import { shareOwner, syncDirectory, writeNew } from '../../storage/durable-file.ts';
import { quotedPath } from '../../storage/quoted-path.ts';
import { isMissing } from '../../storage/read-whole.ts';
import { readChain } from '../../trust/collect.ts';
import { CommandError } from '../program/command.ts';
import { passphraseLike, readLimited, readSecret } from '../program/input-file.ts';
import { parseChoice } from '../program/options.ts';

/** Options that every command that changes something has. */
export interface TimestampOptions {
  readonly data: string;
  readonly passphraseFile?: string;
}

/** The option that opens the keys, as a printed command repeats it; empty where it was not given. */
export const passphraseWords = ({ passphraseFile }: TimestampOptions): string =>
  passphraseFile === undefined ? '' : ` --passphrase-file ${quotedPath(passphraseFile)}`;

/** An open data directory. */
export interface TimestampDirectory {
  readonly data: string;
  readonly paths: DataPaths;
  readonly passphrase: string | undefined;
  /** DER of the root in force. */
  readonly root: Uint8Array;
}

/** Runs `work` on it, opened for writing, while no other command changes it; the service may run on it. Rejects with DataDirectoryError, TrustError or
 * {@link CommandError}, and with what `work` rejects with. */
export async function changeTimestampDirectory(
  options: TimestampOptions,
  work: (directory: TimestampDirectory) => Promise<void>,
): Promise<undefined> {
  const { data } = options;
  await changing(data, async ({ paths }) => {
    const passphrase = await readSecret(options.passphraseFile, 'passphrase');
    const root = (await readChain(paths.chain)).at(-1) ?? new Uint8Array();
    await work({ data, paths, passphrase, root });
  });
  return undefined;
}

/** The key in `file` if there is one: of a request whose answer is awaited, or of an interrupted command. */
export async function pendingKey(
  file: string,
  { passphrase }: TimestampDirectory,
  keyType: string | undefined,
  toBeginAgain = 'delete that file',
): Promise<KeyObject | undefined> {
  if (await isMissing(file)) return undefined;
  if (keyType === undefined) return openKeyFile(file, passphrase);
  throw new CommandError('REFUSED', `this was begun already: ${file}`, {
    hint: `To go on with its key leave out --key-type; to begin again ${toBeginAgain}.`,
  });
}

/** A new key of that type, by default {@link TIMESTAMP_KEY_TYPE}. Whether the passphrase opens the key in `beside` is found here, before
 * a key has another one. */
export async function newKey(
  { passphrase }: TimestampDirectory,
  keyType: string | undefined,
  beside: string,
): Promise<KeyObject> {
  await openKeyFile(beside, passphrase);
  return generateKey(
    keyType === undefined ? TIMESTAMP_KEY_TYPE : parseChoice(keyType, '--key-type', CA_KEY_TYPES),
  );
}

/** Writes a new key, encrypted as the other keys are: the service is started with one passphrase, or none. */
export async function keepKey(
  file: string,
  key: KeyObject,
  { paths, passphrase }: TimestampDirectory,
): Promise<void> {
  try {
    const own = await passphraseLike(paths.intermediateKey, file, passphrase);
    await writeNew(file, writeKeyPem(key, own), 0o600);
    await shareOwner(file, paths.intermediateKey);
    await syncDirectory(paths.keys);
  } catch (error) {
    throw systemFault(file, 'write', error);
  }
}

/** The key of a file. A complaint about it names the file. */
export async function openKeyFile(file: string, passphrase: string | undefined): Promise<KeyObject> {
  const bytes = await readLimited(file, 'the key');
  try {
    return await readPrivateKey(bytes, passphrase);
  } catch (error) {
    if (!(error instanceof KeyFileError)) throw error;
    throw new KeyFileError(error.code, `${file}: ${error.message}`, { hint: error.hint });
  }
}
