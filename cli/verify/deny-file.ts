/** The deny list of `mayfly verify certificate --deny`: read, and known to be the team's, before anything is judged by it. */
import { hash } from 'node:crypto';
import { ConfigError } from '../../config/findings/config-error.ts';
import { readDenyList } from '../../config/lists/deny-list.ts';
import { fromBase64 } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import { decodePem } from '../../core/pem.ts';
import { requireSignedBy, type DenyList } from '../../verify/deny-list.ts';
import { CommandError } from '../program/command.ts';
import { readLimited } from '../program/input-file.ts';
import { platformCrypto } from './platform-crypto.ts';

/** Options that say which list, and how it is known. */
export interface DenyOptions {
  readonly deny?: string;
  readonly denySha256?: string;
  readonly denyKey?: string;
  readonly denySignature?: string;
}

/** Reads the list; undefined where none is named. Rejects with {@link CommandError} `USAGE` when there is no pin and no key to
 * know it by, or with what is wrong with it: nothing is ever taken for an empty list. */
export async function readDenyFile(options: DenyOptions): Promise<DenyList | undefined> {
  const { deny, denySha256: pin, denyKey, denySignature } = options;
  checkCombination(options);
  if (deny === undefined) return undefined;
  const bytes = await readLimited(deny, '--deny');
  if (pin !== undefined) requirePinned(bytes, pin);
  if (denyKey !== undefined) await requireSigned(bytes, denyKey, denySignature ?? `${deny}.sig`);
  return parsed(bytes, deny);
}

function checkCombination({ deny, denySha256, denyKey, denySignature }: DenyOptions): void {
  if (deny === undefined) {
    if ([denySha256, denyKey, denySignature].every((option) => option === undefined)) return;
    throw usage('--deny-sha256, --deny-key and --deny-signature are about --deny, which is missing');
  }
  if (denySha256 === undefined && denyKey === undefined)
    throw usage(
      'say how the deny list is known to be your own: --deny-sha256 or --deny-key',
      'Pin its hash (sha256sum FILE), or name the public key that signed it (the signature is read from FILE.sig).',
    );
  if (denySignature !== undefined && denyKey === undefined)
    throw usage('--deny-signature needs --deny-key', 'Name the public key that signed the list.');
}

function requirePinned(bytes: Uint8Array, pin: string): void {
  if (!/^[0-9a-f]{64}$/i.test(pin))
    throw usage('--deny-sha256 must be a SHA-256 in hexadecimal, 64 digits', 'sha256sum FILE prints it.');
  const found = hash('sha256', bytes, 'hex');
  if (found === pin.toLowerCase()) return;
  throw usage(
    `--deny: the list is not the pinned one: its SHA-256 is ${found}`,
    'It was changed, or the pin is that of another version. Ask the team that keeps it.',
  );
}

async function requireSigned(bytes: Uint8Array, keyFile: string, signatureFile: string): Promise<void> {
  const spki = publicKey(await readLimited(keyFile, '--deny-key'));
  const hint = 'The signature lies beside the list (FILE.sig), or where --deny-signature says.';
  const signature = rawSignature(await readLimited(signatureFile, '--deny-signature', hint));
  await requireSignedBy(spki, bytes, signature, platformCrypto);
}

function publicKey(file: Uint8Array): Uint8Array {
  try {
    const [block] = decodePem(Buffer.from(file).toString('latin1'));
    if (block?.label === 'PUBLIC KEY') return block.bytes;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
  }
  throw usage('--deny-key: there is no public key in PEM', 'Write it with: openssl pkey -in KEY -pubout');
}

/** Signing tools write signatures as they are, or in base64. */
function rawSignature(file: Uint8Array): Uint8Array {
  try {
    return fromBase64(Buffer.from(file).toString('latin1').replace(/\s/g, ''));
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return file;
  }
}

function parsed(bytes: Uint8Array, file: string): DenyList {
  try {
    return readDenyList(Buffer.from(bytes).toString('utf8'), file);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw usage(`--deny: ${error.message}`, error.hint ?? 'docs/deny-list.md has the format.');
  }
}

const usage = (message: string, hint?: string): CommandError => new CommandError('USAGE', message, { hint });
