/** The verifier's cryptography by WebCrypto, as browsers and other runtimes have it. */
import { DerReader, readOnly, unsignedMagnitude } from '../core/der-reader.ts';
import { Tag } from '../core/der-tag.ts';
import { FormatError } from '../core/errors.ts';
import type { Sha256 } from '../core/hash.ts';
import { parsePublicKey } from '../core/public-key.ts';
import type { SignatureScheme } from '../core/signature-algorithm.ts';
import type { BundleCrypto } from './bundle/artifact.ts';

const HASHES = { sha1: 'SHA-1', sha256: 'SHA-256', sha384: 'SHA-384', sha512: 'SHA-512' } as const;

const COORDINATES = { 'P-256': 32, 'P-384': 48, 'P-521': 66 } as const;

/** The cryptography of `subtle`. SHA-256 is handed in besides, for WebCrypto has none that one need not wait for; any small library does. Artifacts are
 * verified by their bytes alone. */
export const webCrypto = (subtle: SubtleCrypto, sha256: Sha256): BundleCrypto => ({
  sha256,
  digest: async (hash, data) => new Uint8Array(await subtle.digest(HASHES[hash], Uint8Array.from(data))),
  verify: async (scheme, spki, data, signature) => {
    try {
      return await isSigned(subtle, scheme, { spki, data, signature });
    } catch (error) {
      // It could not make sense of the key or the signature.
      if (error instanceof DOMException || error instanceof FormatError || error instanceof RangeError)
        return false;
      throw error;
    }
  },
});

interface SignedData {
  readonly spki: Uint8Array;
  readonly data: Uint8Array;
  readonly signature: Uint8Array;
}

async function isSigned(
  subtle: SubtleCrypto,
  { keyType, hash: name }: SignatureScheme,
  { spki, data, signature }: SignedData,
): Promise<boolean> {
  const key = parsePublicKey(spki);
  if (key.type !== keyType) return false;
  const hash = name === undefined ? '' : HASHES[name];
  const algorithm =
    key.type === 'ec'
      ? { name: 'ECDSA', namedCurve: key.curve, hash }
      : { name: key.type === 'rsa' ? 'RSASSA-PKCS1-v1_5' : 'Ed25519', hash };
  const imported = await subtle.importKey('spki', Uint8Array.from(spki), algorithm, false, ['verify']);
  const bytes = key.type === 'ec' ? sideBySide(signature, COORDINATES[key.curve]) : signature;
  return subtle.verify(algorithm, imported, Uint8Array.from(bytes), Uint8Array.from(data));
}

/** r and s of a DER signature, as WebCrypto takes them (IEEE P1363). Throws {@link FormatError}, or RangeError for a number that is too long. */
function sideBySide(signature: Uint8Array, size: number): Uint8Array {
  const reader = new DerReader(readOnly(signature, Tag.sequence).value);
  const [r, s] = [reader.next(Tag.integer), reader.next(Tag.integer)].map(({ value }) =>
    unsignedMagnitude(value),
  );
  reader.end();
  const out = new Uint8Array(2 * size);
  if (r === undefined || s === undefined || r.length > size || s.length > size)
    throw new FormatError('MALFORMED', 'a signature is not two numbers of the curve');
  out.set(r, size - r.length);
  out.set(s, 2 * size - s.length);
  return out;
}
