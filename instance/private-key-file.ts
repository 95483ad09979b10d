/** The private keys of a data directory: files with one passphrase, or none. */
import type { KeyObject } from 'node:crypto';
import { dirname } from 'node:path';
import { readNamedKey, writeKeyPem } from '../signers/key-file.ts';
import { shareOwner, syncDirectory, writeNewWhole } from '../storage/durable-file.ts';
import { readWhole } from '../storage/read-whole.ts';
import { systemFault } from './data-directory-error.ts';

/** Beyond every key file. */
const LIMIT = 1024 * 1024;

/** The key of a file. Rejects with DataDirectoryError where it cannot be read, and with KeyFileError, which names it. */
export async function openPrivateKey(file: string, passphrase: string | undefined): Promise<KeyObject> {
  return readNamedKey(file, await readKeyFile(file), passphrase);
}

/** The bytes of a key file. Rejects with DataDirectoryError. */
export const readKeyFile = (file: string): Promise<Uint8Array> =>
  readWhole(file, { size: LIMIT }).catch((error: unknown) => {
    throw systemFault(file, 'read', error);
  });

/** Whether a key file is encrypted. Rejects with DataDirectoryError. */
export const isKeyEncrypted = async (file: string): Promise<boolean> =>
  /ENCRYPTED/.test(Buffer.from(await readKeyFile(file)).toString('latin1'));

/** Writes a new key, with the owner of the key in `like`, and encrypted with the passphrase where that one is encrypted: the service is started with one
 * passphrase, or none. A crash leaves no file or the whole one. Durable when it resolves, with whether it is encrypted. Rejects with DataDirectoryError, also where the file is there. */
export async function writeKeyLike(
  like: string,
  file: string,
  key: KeyObject,
  passphrase: string | undefined,
): Promise<boolean> {
  const isEncrypted = await isKeyEncrypted(like);
  try {
    await writeNewWhole(file, writeKeyPem(key, isEncrypted ? passphrase : undefined), 0o600);
    await shareOwner(file, like);
    await syncDirectory(dirname(file));
  } catch (error) {
    throw systemFault(file, 'write', error);
  }
  return isEncrypted;
}
