import { createPublicKey } from 'node:crypto';
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

/** Makes a key for root or targets: the private key in one file, the public key in another beside it. */
export async function makeTufKey({ out, passphraseFile }: TufKeyOptions, speak: Speaker): Promise<undefined> {
  const passphrase = await readSecret(passphraseFile, 'passphrase');
  const key = await generateKey('p256');
  const spki = new Uint8Array(createPublicKey(key).export({ type: 'spki', format: 'der' }));
  const id = tufKey(spki).keyID;
  const publicFile = `${out.replace(/(?:\.key)?\.pem$/, '')}.pub.pem`;
  await writeRootKeyFile(resolve(out), key, passphrase, '--out');
  await writeOutput(publicFile, encodePem('PUBLIC KEY', spki), '--out');
  const lines = [
    `Private key  ${out}   (keep it here)`,
    `Public key   ${publicFile}   (take it to the server: mayfly trust tuf stage --add-key)`,
    `Key id       ${id}`,
  ];
  speak.answer({ key: out, publicKey: publicFile, keyId: id }, lines.join('\n'));
  return undefined;
}
