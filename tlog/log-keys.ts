import { makeVkey, type Vkey } from './format/vkey.ts';
import type { LogIdentity } from './log-identity.ts';
import { sha256 } from './sha256.ts';

/** The two verifier keys of a log's checkpoints: type 0x05 (ECDSA, with the head's time) and 0x01 (Ed25519). */
export const logKeys = ({
  origin,
  publicKey,
  ed25519PublicKey,
}: Pick<LogIdentity, 'origin' | 'publicKey' | 'ed25519PublicKey'>): [staticCt: Vkey, ed25519: Vkey] => [
  makeVkey(sha256, origin, 'static-ct', publicKey),
  makeVkey(sha256, origin, 'ed25519', ed25519PublicKey),
];
