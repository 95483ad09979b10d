/** Public keys as TUF metadata has them. */
import { createPublicKey, hash, type KeyObject } from 'node:crypto';
import { Key } from '@tufjs/models';
import { getPublicKey } from '@tufjs/models/dist/utils/key.js';
import { equalBytes } from '../../core/bytes.ts';
import { encodePem } from '../../core/pem.ts';
import { keyBits } from '../../core/public-key.ts';
import { TufError } from './tuf-error.ts';

/** The TUF key of a DER SubjectPublicKeyInfo. Throws {@link TufError} `TUF_MALFORMED` for anything but ECDSA P-256, which is the
 * one kind that every client takes. */
export function tufKey(spki: Uint8Array): Key {
  const json = { keytype: 'ecdsa', scheme: SCHEME, keyval: { public: encodePem('PUBLIC KEY', spki) } };
  if (!isP256(spki)) throw unsuitable();
  return Key.fromJSON(idOf(json), json);
}

/** The TUF key of a PEM `PUBLIC KEY`; throws as {@link tufKey}. */
export function tufKeyOfPem(pem: string): Key {
  try {
    return tufKey(new Uint8Array(createPublicKey(pem).export({ type: 'spki', format: 'der' })));
  } catch (error) {
    throw error instanceof TufError ? error : unsuitable(error);
  }
}

/** Throws {@link TufError} `TUF_MALFORMED` for a key under an id that is not its own: clients refuse that, and a threshold would
 * count the same key twice. */
export function requireOwnId(key: Key): void {
  if (key.keyID === idOf(key.toJSON())) return;
  throw new TufError(
    'TUF_MALFORMED',
    `the key ${key.keyID.slice(0, 80)} stands under an id that is not its own`,
    {
      hint: 'A key id is SHA-256 of the canonical JSON of the key.',
    },
  );
}

/** Whether `key` is the public key `spki`. */
export const isKey = (key: Key, spki: Uint8Array): boolean => {
  try {
    const der = createPublicKey(key.keyVal['public'] ?? '').export({ type: 'spki', format: 'der' });
    return equalBytes(new Uint8Array(der), spki);
  } catch {
    return false;
  }
};

/** The same text for one key in whatever form it is written, PEM or digits, with its point compressed or not, for one scheme or another: under two ids it would count
 * twice for a threshold. It is the key with which the library verifies; of one that it cannot use, as it is written. */
export function sameKeyText({ keyType, scheme, keyVal }: Key): string {
  const text = keyVal['public'] ?? '';
  try {
    return numbersOf(getPublicKey({ keyType, scheme, keyVal: text }).key);
  } catch {
    return text;
  }
}

/** What a key consists of. JSON has no form for the keys of RSA that are for PSS alone: these have modulus and exponent at the end of their DER. */
function numbersOf(key: KeyObject): string {
  if (key.asymmetricKeyType !== 'rsa-pss') {
    const { kty, crv, x, y, n, e } = key.export({ format: 'jwk' });
    return JSON.stringify([kty, crv, x, y, n, e]);
  }
  const bits = keyBits(new Uint8Array(key.export({ type: 'spki', format: 'der' })));
  return numbersOf(createPublicKey({ key: Buffer.from(bits), format: 'der', type: 'pkcs1' }));
}

const SCHEME = 'ecdsa-sha2-nistp256';

function isP256(spki: Uint8Array): boolean {
  const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  return key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1';
}

const unsuitable = (cause?: unknown): TufError =>
  new TufError('TUF_MALFORMED', 'this is no ECDSA P-256 public key', {
    hint: 'Give a PEM file with PUBLIC KEY: openssl pkey -in key.pem -pubout',
    cause,
  });

const idOf = (json: unknown): string => hash('sha256', canonical(json), 'hex');

/** Canonical JSON of what keys consist of: objects and strings. */
function canonical(value: unknown): string {
  if (typeof value === 'string') return `"${value.replace(/[\\"]/g, '\\$&')}"`;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${canonical(name)}:${canonical(member)}`).join(',')}}`;
}
