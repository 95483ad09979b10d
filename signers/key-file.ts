/**
 * Private keys in PEM files: PKCS#8, PKCS#1 and SEC1, plain, encrypted with PBES2 or the old way of RFC 1423
 * (`DEK-Info`). Errors say what is wrong and what to do; no key, passphrase or fault of OpenSSL's is in them.
 */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { FormatError } from '../core/errors.ts';
import { decodePem, encodePem, type PemBlock } from '../core/pem.ts';
import type { Signer } from './signer.ts';
import { KeyFileError, type KeyFileReason } from './key-error.ts';
import { localSigner } from './local-signer.ts';
import { decryptPbes2, encryptPbes2 } from './pbes2.ts';

/** A key file beyond this is not one. */
const MAX_FILE = 64 * 1024;

/** The signer of a key file; `passphrase` is used only if the key is encrypted. Rejects with {@link KeyFileError}. */
export async function loadKeyFile(pem: string | Uint8Array, passphrase?: string): Promise<Signer> {
  return localSigner(await readPrivateKey(pem, passphrase));
}

/** The private key of a key file, as {@link loadKeyFile} opens it. */
export async function readPrivateKey(pem: string | Uint8Array, passphrase?: string): Promise<KeyObject> {
  const block = keyBlock(typeof pem === 'string' ? pem : Buffer.from(pem).toString('latin1'));
  const encrypted = block.label === 'ENCRYPTED PRIVATE KEY' || isDekEncrypted(block);
  if (!encrypted) return parsePlain(block);
  if (passphrase === undefined || passphrase === '') {
    throw refusal('PASSPHRASE_MISSING', 'the private key is encrypted, and no passphrase was given', GIVE);
  }
  return block.label === 'ENCRYPTED PRIVATE KEY'
    ? parseEncrypted(block, passphrase)
    : openssl(block, passphrase);
}

/** The same of the file called `name`, which a complaint names. */
export async function readNamedKey(
  name: string,
  pem: string | Uint8Array,
  passphrase?: string,
): Promise<KeyObject> {
  try {
    return await readPrivateKey(pem, passphrase);
  } catch (error) {
    if (!(error instanceof KeyFileError)) throw error;
    throw new KeyFileError(error.code, `${name}: ${error.message}`, { hint: error.hint });
  }
}

/** A private key as PKCS#8 PEM; encrypted (PBES2, AES-256-CBC, 600,000 iterations) when a passphrase is given. Write
 * it with mode 0600. */
export function writeKeyPem(key: KeyObject, passphrase?: string): string {
  const plain = key.export({ type: 'pkcs8', format: 'der' });
  if (passphrase === undefined || passphrase === '') return encodePem('PRIVATE KEY', plain);
  return encodePem('ENCRYPTED PRIVATE KEY', encryptPbes2(plain, passphrase));
}

const GIVE = 'Pass it in a file with --passphrase-file.';
const FORMS = 'Use PEM with PRIVATE KEY, ENCRYPTED PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY.';
const CONVERT = 'Convert it: openssl pkcs8 -topk8 -v2 aes-256-cbc -in old.pem -out new.pem';

const PLAIN_LABELS = new Set(['PRIVATE KEY', 'RSA PRIVATE KEY', 'EC PRIVATE KEY']);

/** Blocks that are recognised only to say why they do not do. */
const REFUSED_LABELS: readonly (readonly [label: RegExp, sentence: string, hint: string])[] = [
  [
    /^ENCRYPTED (SIGSTORE|COSIGN) PRIVATE KEY$/,
    'keys in the format of cosign are not supported yet',
    'Export the key as PKCS#8.',
  ],
  [
    /^OPENSSH PRIVATE KEY$/,
    'keys in the format of OpenSSH are not supported',
    'Convert it: ssh-keygen -p -m PEM',
  ],
  [/PUBLIC KEY$/, 'the file holds only a public key', FORMS],
  [/CERTIFICATE/, 'the file holds a certificate where a private key is expected', FORMS],
];

function keyBlock(text: string): PemBlock {
  if (text.length > MAX_FILE) throw refusal('KEY_FILE_MALFORMED', 'the key file is too long', FORMS);
  const blocks = parsePem(text);
  // `openssl ecparam -genkey` writes the parameters of the curve in front of the key.
  const block = blocks.find(({ label }) => label !== 'EC PARAMETERS');
  if (block === undefined) throw refusal('KEY_FILE_MALFORMED', 'the key file holds no PEM block', FORMS);
  if (PLAIN_LABELS.has(block.label) || block.label === 'ENCRYPTED PRIVATE KEY') return block;
  const known = REFUSED_LABELS.find(([label]) => label.test(block.label));
  const sentence = known?.[1] ?? 'the key file holds a PEM block of another type';
  throw refusal('KEY_FILE_UNSUPPORTED', sentence, known?.[2] ?? FORMS);
}

function parsePem(text: string): PemBlock[] {
  try {
    return decodePem(text);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw refusal('KEY_FILE_MALFORMED', 'the PEM block of the key file is damaged', FORMS);
  }
}

const isDekEncrypted = ({ headers }: PemBlock): boolean =>
  headers.some((line) => line.startsWith('Proc-Type:') && line.includes('ENCRYPTED'));

function parsePlain(block: PemBlock): KeyObject {
  try {
    return createPrivateKey(encodePem(block.label, block.bytes));
  } catch {
    throw refusal('KEY_FILE_MALFORMED', 'the private key could not be parsed', FORMS);
  }
}

async function parseEncrypted(block: PemBlock, passphrase: string): Promise<KeyObject> {
  try {
    const plain = await decryptPbes2(block.bytes, passphrase);
    if (plain === undefined) throw wrongPassphrase();
    return createPrivateKey(encodePem('PRIVATE KEY', plain));
  } catch (error) {
    if (error instanceof KeyFileError) throw error;
    if (error instanceof FormatError && error.code === 'UNSUPPORTED') return openssl(block, passphrase);
    throw refusal('KEY_FILE_MALFORMED', 'the encrypted private key could not be parsed', FORMS);
  }
}

/** Schemes that only OpenSSL knows: RFC 1423, PKCS#12's, scrypt. */
function openssl(block: PemBlock, passphrase: string): KeyObject {
  const head = block.headers.length === 0 ? '' : `${block.headers.join('\n')}\n\n`;
  const pem = encodePem(block.label, block.bytes).replace('-----\n', `-----\n${head}`);
  try {
    return createPrivateKey({ key: pem, passphrase });
  } catch (error) {
    if (isUnknownScheme(error, block)) {
      throw refusal(
        'KEY_FILE_UNSUPPORTED',
        'the private key is encrypted in a way that is out of use',
        CONVERT,
      );
    }
    throw wrongPassphrase();
  }
}

function isUnknownScheme(error: unknown, block: PemBlock): boolean {
  if (!(error instanceof Error)) return false;
  // RFC 1423 has no check of its own: in one of some 200 cases a wrong passphrase leaves good padding and no key.
  const isGarbage = block.headers.length > 0 && /DECODER routines::unsupported/.test(error.message);
  return !isGarbage && /unsupported|unknown|no such/i.test(error.message);
}

const wrongPassphrase = (): KeyFileError =>
  refusal(
    'PASSPHRASE_WRONG',
    'the private key cannot be decrypted: the passphrase is wrong, or the file is damaged',
    'Check the passphrase file: its first line is the passphrase, spaces included.',
  );

const refusal = (code: KeyFileReason, message: string, hint: string): KeyFileError =>
  new KeyFileError(code, message, { hint });
