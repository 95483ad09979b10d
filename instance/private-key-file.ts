/** The private keys of a data directory: files with one passphrase, or none. */
import type { KeyObject } from 'node:crypto';
import { dirname, join } from 'node:path';
import { readNamedKey, writeKeyPem } from '../signers/key-file.ts';
import { shareOwner, syncDirectory, writeNewWhole } from '../storage/durable-file.ts';
import { isMissing, readWhole } from '../storage/read-whole.ts';
import { systemFault } from './data-directory-error.ts';
import { namesIn } from './data-directory.ts';
import type { DataPaths } from './data-paths.ts';

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

/** The key files that the service opens, sorted: not root keys, which may have passphrases of their own. Rejects with DataDirectoryError. */
export async function serviceKeyFiles({
  keys,
  rootKey,
  tufRootKey,
}: Pick<DataPaths, 'keys' | 'rootKey' | 'tufRootKey'>): Promise<readonly string[]> {
  const names = (await namesIn(keys)) ?? [];
  const files = names.filter((name) => name.endsWith('.key.pem')).map((name) => join(keys, name));
  return files.filter((file) => file !== rootKey && file !== tufRootKey).sort();
}

/** The passphrase for a new key in `file`: the service is started with one passphrase, or none. It is that of the issuing key, or of another key that is there where the issuing key is
 * elsewhere; undefined where these are not encrypted. Where no other key lies in a file, a passphrase that is given is taken. Rejects with KeyFileError where the key does not open with it: a key under another
 * one could never be used; and with DataDirectoryError. */
export async function passphraseForNewKey(
  paths: DataPaths,
  file: string,
  passphrase: string | undefined,
): Promise<string | undefined> {
  const like = await otherKeyFile(paths, file);
  if (like === undefined) return passphrase;
  await openPrivateKey(like, passphrase);
  return (await isKeyEncrypted(like)) ? passphrase : undefined;
}

async function otherKeyFile(paths: DataPaths, file: string): Promise<string | undefined> {
  const { intermediateKey } = paths;
  if (!(await isMissing(intermediateKey))) return intermediateKey;
  const others = (await serviceKeyFiles(paths)).filter((other) => other !== file);
  for (const other of others) if (await isKeyEncrypted(other)) return other;
  return others[0];
}

/** Writes a new key with the owner of the folder of keys, encrypted with a passphrase if there is one. A crash leaves no file or the whole one. Durable when it resolves. Rejects with DataDirectoryError, also where the file is there. */
export async function writeNewKey(
  { keys }: Pick<DataPaths, 'keys'>,
  file: string,
  key: KeyObject,
  passphrase: string | undefined,
): Promise<void> {
  try {
    await writeNewWhole(file, writeKeyPem(key, passphrase), 0o600);
    await shareOwner(file, keys);
    await syncDirectory(dirname(file));
  } catch (error) {
    throw systemFault(file, 'write', error);
  }
}
