/** The key of one run: made here, used for each artifact, and gone with the process. It is written nowhere. */
import { createHash, createSign, generateKeyPairSync } from 'node:crypto';
import { clientKey, type ClientKey } from '../certificate/key-pair.ts';

/** An artifact that was read to its end. */
export interface ReadArtifact {
  /** SHA-256. */
  readonly digest: Uint8Array;
  /** The bytes themselves, unless there were too many to keep. */
  readonly bytes: Uint8Array | undefined;
}

/** Bytes with a signature over them: ECDSA with SHA-256, DER. */
export interface SignedArtifact extends ReadArtifact {
  readonly signature: Uint8Array;
}

/** Bytes of an artifact that are kept: the signature over them is then checked as everybody does; over larger ones by the digest, which takes longer. */
const KEPT = 4 * 1024 * 1024;

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
    const kept: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of bytes) {
      hash.update(chunk);
      signer.update(chunk);
      size += chunk.length;
      if (size <= KEPT) kept.push(chunk);
      else kept.length = 0;
    }
    const signature = signer.sign(privateKey);
    return { digest: hash.digest(), bytes: size > KEPT ? undefined : Buffer.concat(kept), signature };
  };
  return { ...clientKey(privateKey), sign };
}
