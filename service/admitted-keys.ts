/** The keys that may log without a certificate: PEM files that the configuration names. */
import { FormatError, messageOf } from '../core/errors.ts';
import { decodePem } from '../core/pem.ts';
import { parsePublicKey } from '../core/public-key.ts';
import { readWhole } from '../storage/read-whole.ts';
import { KeyFileError } from '../signers/key-error.ts';

/** Of one file; and milliseconds that a pipe may take. */
const LIMITS = { size: 64 * 1024, pipePatience: 60_000 };
/** Keys of one file. */
const MOST_KEYS = 16;

/** DER SubjectPublicKeyInfo of all of them. Rejects with KeyFileError for a file that cannot be read or holds something else than public keys. */
export async function readAdmittedKeys(files: readonly string[]): Promise<readonly Uint8Array[]> {
  const keys = await Promise.all(files.map(readKeys));
  return keys.flat();
}

async function readKeys(file: string): Promise<readonly Uint8Array[]> {
  try {
    const blocks = decodePem((await readWhole(file, LIMITS)).toString('utf8'), MOST_KEYS + 1);
    const isOther = blocks.some(({ label }) => label !== 'PUBLIC KEY');
    if (blocks.length === 0 || isOther)
      throw new FormatError('MALFORMED', 'it holds something else than public keys');
    if (blocks.length > MOST_KEYS)
      throw new FormatError('TOO_LARGE', `it holds more than ${MOST_KEYS} keys: divide it`);
    for (const { bytes } of blocks) parsePublicKey(bytes);
    return blocks.map(({ bytes }) => bytes);
  } catch (error) {
    const message = `${file}, a key of mayfly.artifact-log.keys, cannot be used: ${messageOf(error)}`;
    throw new KeyFileError('KEY_FILE_MALFORMED', message, {
      hint: 'Write a PEM file with PUBLIC KEY, as `openssl pkey -pubout` and `cosign public-key` make it.',
    });
  }
}
