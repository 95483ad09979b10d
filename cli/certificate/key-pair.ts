/** The client's key: made here or brought along, proven here, and sent nowhere. */
import {
  createPublicKey,
  generateKeyPairSync,
  sign,
  type KeyObject,
  type KeyPairKeyObjectResult,
} from 'node:crypto';
import { KeyFileError, type KeyFileReason } from '../../signers/key-error.ts';
import { readPrivateKey } from '../../signers/key-file.ts';
import { FormatError } from '../../core/errors.ts';
import { parsePublicKey, type PublicKeyInfo } from '../../core/public-key.ts';
import { CommandError } from '../program/command.ts';

const ec = (namedCurve: string) => (): KeyPairKeyObjectResult => generateKeyPairSync('ec', { namedCurve });
const rsa = (modulusLength: number) => (): KeyPairKeyObjectResult =>
  generateKeyPairSync('rsa', { modulusLength });

const MAKERS = {
  p256: ec('P-256'),
  p384: ec('P-384'),
  p521: ec('P-521'),
  rsa2048: rsa(2048),
  rsa3072: rsa(3072),
  rsa4096: rsa(4096),
  ed25519: () => generateKeyPairSync('ed25519'),
} satisfies Record<string, () => KeyPairKeyObjectResult>;

/** Names of the kinds of key that the client makes. */
type KeyType = keyof typeof MAKERS;

/** All of {@link KeyType}. */
export const KEY_TYPES = Object.keys(MAKERS) as readonly KeyType[];

/** A key that a certificate is asked for. */
export interface ClientKey {
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  /** PEM SubjectPublicKeyInfo, as the service takes it. */
  readonly publicPem: string;
  /** PEM PKCS#8, not encrypted, of a key that was made here; undefined for a key that its owner has already. */
  readonly privatePem: string | undefined;
  /** The proof of possession: a signature over the UTF-8 of `challenge`, DER for ECDSA, PKCS#1 v1.5 for RSA. */
  prove(challenge: string): Uint8Array;
}

/** Makes a key of `type`. */
export function makeClientKey(type: KeyType): ClientKey {
  const { privateKey } = MAKERS[type]();
  const privatePem = privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
  return { ...clientKey(privateKey), privatePem };
}

/** The key in a PEM file (PKCS#8, SEC1 or PKCS#1). Rejects with {@link CommandError} `USAGE` when there is none that can be
 * used; nothing of the file is repeated. */
export async function readClientKey(file: Uint8Array): Promise<ClientKey> {
  try {
    return { ...clientKey(await readPrivateKey(file)), privatePem: undefined };
  } catch (error) {
    if (error instanceof KeyFileError) throw unusable(error.message, HINTS[error.code] ?? error.hint);
    if (error instanceof FormatError) throw unusable(error.message, KINDS);
    throw error;
  }
}

const KINDS = 'Give a private key of P-256, P-384, P-521, RSA or Ed25519.';
const HINTS: Partial<Record<KeyFileReason, string>> = {
  PASSPHRASE_MISSING:
    'Open it on the way, so that it lies nowhere in the clear: openssl pkey -in FILE | mayfly certificate --key -',
};

const unusable = (why: string, hint: string | undefined): CommandError =>
  new CommandError('USAGE', `--key: ${why}`, { hint });

/** The key as a service is asked for a certificate for it. */
export function clientKey(privateKey: KeyObject): Omit<ClientKey, 'privatePem'> {
  const publicKey = createPublicKey(privateKey);
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  const hash = hashOf(parsePublicKey(spki));
  return {
    spki,
    publicPem: publicKey.export({ format: 'pem', type: 'spki' }) as string,
    prove: (challenge) => sign(hash, Buffer.from(challenge, 'utf8'), privateKey),
  };
}

const CURVE_HASHES = { 'P-256': 'sha256', 'P-384': 'sha384', 'P-521': 'sha512' } as const;

/** The hash of the proof; null where the algorithm has its own. */
function hashOf(key: PublicKeyInfo): string | null {
  if (key.type === 'ec') return CURVE_HASHES[key.curve];
  return key.type === 'rsa' ? 'sha256' : null;
}
