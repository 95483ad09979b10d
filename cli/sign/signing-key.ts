/** The key of one run: made here, used for each artifact, and gone with the process. It is written nowhere. */
import { createHash, createSign, generateKeyPairSync } from 'node:crypto';
import { clientKey, type ClientKey } from '../certificate/key-pair.ts';

/** An artifact that was read to its end. */
export interface SignedArtifact {
  /** SHA-256. */
  readonly digest: Uint8Array;
  /** ECDSA with SHA-256, DER. */
  readonly signature: Uint8Array;
}

/** A P-256 key that was made for this run. */
export interface SigningKey extends Pick<ClientKey, 'spki' | 'publicPem' | 'prove'> {
  /** Signs bytes as they come, of whatever length, and reads them once: what is signed is what is hashed. */
  sign(bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<SignedArtifact>;
}

/** Makes the key. */
export function makeSigningKey(): SigningKey {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const sign: SigningKey['sign'] = async (bytes) => {
    const [hash, signer] = [createHash('sha256'), createSign('sha256')];
    for await (const chunk of bytes) {
      hash.update(chunk);
      signer.update(chunk);
    }
    return { digest: hash.digest(), signature: signer.sign(privateKey) };
  };
  return { ...clientKey(privateKey), sign };
}
