/** Key files that go to where no service is: written once, and never over another file. */
import type { KeyObject } from 'node:crypto';
import { dirname } from 'node:path';
import { MayflyError, systemCode } from '../core/errors.ts';
import { writeKeyPem } from '../signers/key-file.ts';
import { syncDirectory, writeNew } from '../storage/durable-file.ts';
import { systemFault } from './data-directory-error.ts';

/** A file that is to hold a root key exists already. */
export class RootKeyError extends MayflyError<'REFUSED'> {}

/** Writes a private key to `file`, encrypted with `passphrase` if there is one; durable when it resolves. `option` names the file on the command line.
 * Rejects with {@link RootKeyError} when the file is there, and with DataDirectoryError. */
export async function writeRootKeyFile(
  file: string,
  key: KeyObject,
  passphrase: string | undefined,
  option: string,
): Promise<void> {
  try {
    await writeNew(file, writeKeyPem(key, passphrase), 0o600);
    await syncDirectory(dirname(file));
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw systemFault(file, 'write', error);
    throw new RootKeyError('REFUSED', `${file} exists already; a root key is never overwritten`, {
      hint: `Name a new file with ${option}.`,
      cause: error,
    });
  }
}
