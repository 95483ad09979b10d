/** How logs of Rekor's kind call their keys. */
import { concat, utf8 } from '../../core/bytes.ts';
import type { Sha256 } from '../../core/hash.ts';
import { parsePublicKey } from '../../core/public-key.ts';

/** Of Rekor v1, and of an ECDSA key of Rekor v2: the hash of the key (DER SubjectPublicKeyInfo). 32 bytes; signed notes have the first four. */
export const keyHash = (sha256: Sha256, spki: Uint8Array): Uint8Array => sha256(spki);

const ED25519_TYPE = 1;
const RSA_TYPE = 0xff;
const RSA_NAME = 'PKIX-RSA-PKCS#1v1.5';

/** Of Rekor v2: the hash that a key has in signed notes by `name`. 32 bytes; notes have the first four. Throws FormatError for a key
 * that is none. */
export function noteKeyHash(sha256: Sha256, name: string, spki: Uint8Array): Uint8Array {
  const key = parsePublicKey(spki);
  if (key.type === 'ec') return keyHash(sha256, spki);
  const typed =
    key.type === 'ed25519'
      ? [Uint8Array.of(ED25519_TYPE), key.key]
      : [Uint8Array.of(RSA_TYPE), utf8(RSA_NAME), spki];
  return sha256(concat([utf8(`${name}\n`), ...typed]));
}
