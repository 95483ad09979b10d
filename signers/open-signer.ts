import { readFile } from 'node:fs/promises';
import { FileFault } from '../storage/file-fault.ts';
import { KeyFileError } from './key-error.ts';
import { loadKeyFile } from './key-file.ts';
import type { Signer } from './signer.ts';

/** Where a private key is: the path of a key file, or a URI whose scheme names what holds it. */
type KeyReference = string;

/** Two letters at least: `C:` begins a path. */
const SCHEME = /^([a-z][a-z0-9+.-]+):/;

/** The signer of a key; `passphrase` opens an encrypted key file. Rejects with {@link KeyFileError} that names the key, or with
 * FileFault for a file that cannot be read. A line here for each scheme; there is none yet. */
export async function openSigner(key: KeyReference, passphrase?: string): Promise<Signer> {
  const [, scheme] = SCHEME.exec(key) ?? [];
  switch (scheme) {
    case undefined:
      return openKeyFile(key, passphrase);
    default:
      throw new KeyFileError('KEY_FILE_UNSUPPORTED', `${key}: no keys can be reached by "${scheme}:"`, {
        hint: 'Name the path of a key file.',
      });
  }
}

async function openKeyFile(path: string, passphrase: string | undefined): Promise<Signer> {
  const pem = await readFile(path).catch((error: unknown) => {
    throw new FileFault(path, 'read', error);
  });
  return loadKeyFile(pem, passphrase).catch((error: unknown) => {
    if (!(error instanceof KeyFileError)) throw error;
    throw new KeyFileError(error.code, `${path}: ${error.message}`, { hint: error.hint });
  });
}
