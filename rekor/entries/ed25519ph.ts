import { createHash } from 'node:crypto';
import { eddsa } from '@noble/curves/abstract/edwards.js';
import { ed25519 } from '@noble/curves/ed25519.js';
import { concat, utf8 } from '../../core/bytes.ts';

/** Ed25519ph that is handed the digest. The library's own hashes the message by itself. */
const ed25519ph = eddsa(
  ed25519.Point,
  (data: Uint8Array) => Uint8Array.from(createHash('sha512').update(data).digest()),
  {
    prehash: (digest: Uint8Array) => Uint8Array.from(digest),
    // RFC 8032 §5.1: dom2 with the flag of the variant and an empty context.
    domain: (data: Uint8Array) =>
      Uint8Array.from(concat([utf8('SigEd25519 no Ed25519 collisions'), Uint8Array.of(1, 0), data])),
  },
);

const DIGEST_LENGTH = 64;

/** Whether `signature` is one by the raw key over a SHA-512 digest, by Ed25519ph with an empty context. May throw for a key or a signature that is none. */
export const verifyEd25519ph = (key: Uint8Array, digest: Uint8Array, signature: Uint8Array): boolean =>
  digest.length === DIGEST_LENGTH && ed25519ph.verify(signature, digest, key, { zip215: false });
