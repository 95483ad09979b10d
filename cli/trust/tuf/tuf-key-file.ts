import { createPublicKey } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { encodePem } from '../../../core/pem.ts';
import { writeRootKeyFile } from '../../../instance/root-key-file.ts';
import { generateKey } from '../../../signers/key-types.ts';
import { tufKey } from '../../../trust/tuf/tuf-key.ts';
import { writeOutput } from '../../ca/ca-output.ts';
import type { Speaker } from '../../program/command.ts';
import { readSecret } from '../../program/input-file.ts';

/** Options of `mayfly trust tuf key`. */
interface TufKeyOptions {
  readonly out: string;
  readonly passphraseFile?: string;
}

/** Makes a key for root or targets: the private key in one file, the public key in another beside it. Both or none. */
export async function makeTufKey({ out, passphraseFile }: TufKeyOptions, speak: Speaker): Promise<undefined> {
  const passphrase = await readSecret(passphraseFile, 'passphrase');
  const key = await generateKey('p256');
  const spki = new Uint8Array(createPublicKey(key).export({ type: 'spki', format: 'der' }));
  const id = tufKey(spki).keyID;
  const publicFile = `${out.replace(/(?:\.key)?\.pem$/, '')}.pub.pem`;
  const privateFile = resolve(out);
  await writeRootKeyFile(privateFile, key, passphrase, '--out');
  try {
    await writeOutput(publicFile, encodePem('PUBLIC KEY', spki), '--out');
  } catch (error) {
    // Nobody has seen it, and without the public half nobody can use it.
    await rm(privateFile, { force: true });
    throw error;
  }
  const lines = [
    `Private key  ${out}   (keep it here)`,
    `Public key   ${publicFile}   (take it to the server: mayfly trust tuf stage --add-key)`,
    `Key id       ${id}`,
  ];
  speak.answer({ key: out, publicKey: publicFile, keyId: id }, lines.join('\n'));
  return undefined;
}
