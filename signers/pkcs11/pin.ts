import { join } from 'node:path';
import { messageOf } from '../../core/errors.ts';
import { readSecretFile, type Warn } from '../../storage/secret-file.ts';
import type { BackendSurroundings } from '../backend.ts';
import { Pkcs11Error } from './pkcs11-error.ts';
import type { PinSource } from '../pkcs11-uri.ts';

/** Bytes of a PIN: beyond what any token takes. */
const MAX_PIN = 512;

/** Reads the PIN where `source` says: the first line of a file or of a credential of systemd. Where nothing is said, a person is asked, once; undefined is the answer
 * where nobody is there to ask. Rejects with {@link Pkcs11Error} `PKCS11_PIN_MISSING`. No PIN is in any message. */
export function pinReader(
  source: PinSource | undefined,
  { env, ask, note = () => undefined }: Pick<BackendSurroundings, 'env' | 'ask' | 'note'>,
): () => Promise<Uint8Array | undefined> {
  // Asked for anew, a person would have to sit there as long as the service runs.
  let answered: Promise<string | undefined> | undefined;
  return async () => {
    const pin =
      source === undefined
        ? await (answered ??= ask?.('PIN of the token: '))
        : await fromFile(fileOf(source, env), note);
    if (pin === undefined) return undefined;
    const bytes = Buffer.from(pin);
    if (bytes.length > MAX_PIN)
      throw missing(`the PIN is longer than ${MAX_PIN} bytes`, 'Is it the file of the PIN?');
    return bytes;
  };
}

function fileOf(source: PinSource, env: BackendSurroundings['env']): string {
  if (source.kind === 'file') return source.path;
  const directory = env['CREDENTIALS_DIRECTORY'];
  if (directory !== undefined && directory.startsWith('/')) return join(directory, source.name);
  throw missing(
    `there is no credential "${source.name}": CREDENTIALS_DIRECTORY is not set`,
    `systemd sets it for a unit with LoadCredentialEncrypted=${source.name}:FILE. Elsewhere name a file: pin-source=/etc/mayfly/pin`,
  );
}

async function fromFile(path: string, warn: Warn): Promise<string | undefined> {
  try {
    return await readSecretFile(path, 'PIN', warn);
  } catch (error) {
    throw missing(messageOf(error), 'Its first line is the PIN.');
  }
}

const missing = (message: string, hint: string): Pkcs11Error =>
  new Pkcs11Error('PKCS11_PIN_MISSING', message, { hint });
