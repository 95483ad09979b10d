/** The client's own key: made here, proven here, written to disk and sent nowhere. */
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';

interface KeyObjects {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

interface KeyKind {
  readonly make: () => KeyObjects;
  /** Hash of the proof; null where the algorithm has its own. */
  readonly hash: string | null;
}

const ec = (namedCurve: string) => (): KeyObjects => generateKeyPairSync('ec', { namedCurve });
const rsa = (modulusLength: number) => (): KeyObjects => generateKeyPairSync('rsa', { modulusLength });

const KINDS = {
  p256: { make: ec('P-256'), hash: 'sha256' },
  p384: { make: ec('P-384'), hash: 'sha384' },
  p521: { make: ec('P-521'), hash: 'sha512' },
  rsa2048: { make: rsa(2048), hash: 'sha256' },
  rsa3072: { make: rsa(3072), hash: 'sha256' },
  rsa4096: { make: rsa(4096), hash: 'sha256' },
  ed25519: { make: () => generateKeyPairSync('ed25519'), hash: null },
} satisfies Record<string, KeyKind>;

/** Names of the kinds of key that the client makes. */
export type KeyType = keyof typeof KINDS;

/** All of {@link KeyType}. */
export const KEY_TYPES = Object.keys(KINDS) as readonly KeyType[];

/** A fresh key pair. */
export interface ClientKey {
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  /** PEM SubjectPublicKeyInfo, as the service takes it. */
  readonly publicPem: string;
  /** PEM PKCS#8, not encrypted: it lives as long as its certificate. */
  readonly privatePem: string;
  /** The proof of possession: a signature over the UTF-8 of `challenge`, DER for ECDSA, PKCS#1 v1.5 for RSA. */
  prove(challenge: string): Uint8Array;
}

/** Makes a key of `type`. */
export function makeClientKey(type: KeyType): ClientKey {
  const { make, hash } = KINDS[type];
  const { publicKey, privateKey } = make();
  return {
    spki: publicKey.export({ format: 'der', type: 'spki' }),
    publicPem: publicKey.export({ format: 'pem', type: 'spki' }) as string,
    privatePem: privateKey.export({ format: 'pem', type: 'pkcs8' }) as string,
    prove: (challenge) => proof(privateKey, hash, challenge),
  };
}

const proof = (key: KeyObject, hash: string | null, challenge: string): Uint8Array =>
  sign(hash, Buffer.from(challenge, 'utf8'), key);
