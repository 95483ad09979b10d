import { openSigner } from '../signers/open-signer.ts';
import type { Signer } from '../signers/signer.ts';
import { FileFault } from '../storage/file-fault.ts';
import { systemFault } from './data-directory-error.ts';

/** The signer of a key that a data directory names. Rejects with DataDirectoryError when its file cannot be read, and with what
 * else {@link openSigner} rejects with. */
export async function openKey(key: string, passphrase: string | undefined): Promise<Signer> {
  try {
    return await openSigner(key, passphrase);
  } catch (error) {
    throw error instanceof FileFault ? systemFault(key, 'read', error.cause) : error;
  }
}
