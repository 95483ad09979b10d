import { createPublicKey, type KeyObject } from 'node:crypto';
import { parsePublicKey } from '../core/public-key.ts';
import type { NewCtLog } from '../ct-log/create-log.ts';
import { writeKeyPem } from '../signers/key-file.ts';
import { generateKey } from '../signers/key-types.ts';
import { writeNew } from '../storage/durable-file.ts';
import { systemFault } from './data-directory-error.ts';
import type { CertificateLogPaths } from './data-paths.ts';

/** Where the two keys of a log lie. */
type KeyPaths = Pick<CertificateLogPaths, 'ecdsaKey' | 'ed25519Key'>;

/** The public halves. */
type PublicLogKeys = Pick<NewCtLog, 'ecdsaPublicKey' | 'ed25519PublicKey'>;

/** Makes the two keys of a new log and writes them, encrypted if there is a passphrase; the directory's flush is the caller's. They are
 * keys of their own: one that signs two trees makes their heads ambiguous. Rejects with DataDirectoryError, also when one of
 * the files is there. */
export async function writeLogKeys(
  { ecdsaKey, ed25519Key }: KeyPaths,
  passphrase: string | undefined,
): Promise<PublicLogKeys> {
  const ecdsa = await generateKey('p256');
  const ed25519 = await generateKey('ed25519');
  await write(ecdsaKey, ecdsa, passphrase);
  await write(ed25519Key, ed25519, passphrase);
  return { ecdsaPublicKey: spkiOf(ecdsa), ed25519PublicKey: rawEd25519(spkiOf(ed25519)) };
}

async function write(path: string, key: KeyObject, passphrase: string | undefined): Promise<void> {
  await writeNew(path, writeKeyPem(key, passphrase), 0o600).catch((error: unknown) => {
    throw systemFault(path, 'write', error);
  });
}

const spkiOf = (key: KeyObject): Uint8Array =>
  new Uint8Array(createPublicKey(key).export({ type: 'spki', format: 'der' }));

function rawEd25519(spki: Uint8Array): Uint8Array {
  const key = parsePublicKey(spki);
  if (key.type !== 'ed25519') throw new TypeError('this is not an Ed25519 key');
  return key.key;
}
