import { dirname } from 'node:path';
import { createRoot } from '../../ca/ceremony.ts';
import { encodePem } from '../../core/pem.ts';
import { systemCode } from '../../core/errors.ts';
import { systemFault } from '../../instance/data-directory-error.ts';
import { writeKeyPem } from '../../signers/key-file.ts';
import { syncDirectory, writeNew } from '../../storage/durable-file.ts';
import { certificateLine, writeOutput } from './ca-output.ts';
import { CommandError, type Speaker } from '../program/command.ts';
import { readSecret } from '../program/input-file.ts';

/** Options of `mayfly ca root`. */
interface RootOptions {
  readonly out: string;
  readonly rootKeyOut: string;
  readonly organization: string;
  readonly commonName: string;
  readonly keyType: string;
  readonly passphraseFile?: string;
}

/** Makes a root that is to follow the one of a CA. Writes two files that must not be there, the key first. Rejects with the typed error of what
 * does not do. */
export async function makeRoot(options: RootOptions, speak: Speaker): Promise<undefined> {
  const { organization, commonName, keyType } = options;
  const passphrase = await readSecret(options.passphraseFile, 'passphrase');
  const names = { organization, commonName, keyType };
  const { rootKey, rootDer } = await createRoot({ ...names, clock: Date.now, dev: false });
  await writeKey(options.rootKeyOut, writeKeyPem(rootKey, passphrase));
  const root = encodePem('CERTIFICATE', rootDer);
  await writeOutput(options.out, root, '--out');
  const lines = [
    `New root ${certificateLine(root)}`,
    `Its key: ${options.rootKeyOut}; keep it where the service is not`,
    'Next, sign the request of `ca renew --csr` with it, and stage the chain with --new-root:',
    `  mayfly ca sign CSR --root ${options.out} --root-key ${options.rootKeyOut} --out chain.pem`,
  ];
  speak.answer({ root, out: options.out, rootKey: options.rootKeyOut }, lines.join('\n'));
  return undefined;
}

async function writeKey(file: string, text: string): Promise<void> {
  try {
    await writeNew(file, text, 0o600);
    await syncDirectory(dirname(file));
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw systemFault(file, 'write', error);
    throw new CommandError('REFUSED', `${file} is there already; a root key is never overwritten`, {
      hint: 'Name a new file with --root-key-out.',
      cause: error,
    });
  }
}
