import { createPublicKey, sign, type KeyObject } from 'node:crypto';
import { SIGNATURE_ALGORITHMS } from '../core/signature-algorithm.ts';
import type { Signer } from './signer.ts';
import { algorithmOf } from './key-types.ts';

/** A signer whose private key lies in this process. It signs synchronously: handing 20 µs of work to the thread pool
 * costs more than doing it. Throws {@link KeyFileError} for a kind of key that Mayfly does not sign with. */
export function localSigner(privateKey: KeyObject): Signer {
  const algorithm = algorithmOf(privateKey);
  const hash = SIGNATURE_ALGORITHMS[algorithm].hash ?? null;
  const publicKey = new Uint8Array(createPublicKey(privateKey).export({ type: 'spki', format: 'der' }));
  const signer: Signer = {
    publicKey,
    algorithm,
    // The bare KeyObject matters: an options object around it costs another 12 µs on Node 24.
    sign: (data) => {
      try {
        return Promise.resolve(sign(hash, data, privateKey));
      } catch (error) {
        return Promise.reject(error instanceof Error ? error : new Error('signing failed'));
      }
    },
  };
  keys.set(signer, privateKey);
  return signer;
}

const keys = new WeakMap<Signer, KeyObject>();

/** The key of a signer that {@link localSigner} made in this thread: another thread can be given it, and shares its memory.
 * Undefined for every other signer. */
export const localKeyOf = (signer: Signer): KeyObject | undefined => keys.get(signer);
