import { openSigner, type OpenKeyOptions } from '../signers/open-signer.ts';
import type { Signer } from '../signers/signer.ts';
import { FileFault } from '../storage/file-fault.ts';
import type { LogSigners } from '../ct-log/log-keys.ts';
import type { CertificateLogPaths } from './data-paths.ts';
import { systemFault } from './data-directory-error.ts';

/** The signer of a key, by the path of its file or its URI. Rejects with DataDirectoryError when its file cannot be read, and with what
 * else {@link openSigner} rejects with. */
export async function openKey(key: string, options: OpenKeyOptions = {}): Promise<Signer> {
  try {
    return await openSigner(key, options);
  } catch (error) {
    throw error instanceof FileFault ? systemFault(key, 'read', error.cause) : error;
  }
}

/** The two keys of a log. Rejects as {@link openKey} does. */
export async function openLogKeys(
  { ecdsaKey, ed25519Key }: Pick<CertificateLogPaths, 'ecdsaKey' | 'ed25519Key'>,
  passphrase: string | undefined,
): Promise<LogSigners> {
  return {
    treeHead: await openKey(ecdsaKey, { passphrase }),
    checkpoint: await openKey(ed25519Key, { passphrase }),
  };
}
