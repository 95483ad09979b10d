/** The key of a bundle's signature, and whether the signature holds. */
import { equalBytes } from '../../core/bytes.ts';
import { keyWeakness } from '../../core/key-weakness.ts';
import { parsePublicKey } from '../../core/public-key.ts';
import type { BundleContent, MessageDigest } from '../../bundle/format/bundle.ts';
import { preAuthenticationEncoding, type Envelope } from '../../bundle/format/envelope.ts';
import { refused } from '../verify-error.ts';
import type { Artifact, ArtifactHash, BundleCrypto } from './artifact.ts';

/** A key that signatures are verified with. */
export interface SigningKey {
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  /** For people. */
  readonly name: string;
  readonly type: 'ec' | 'rsa' | 'ed25519';
  /** With which it may sign, the most usual first; none for Ed25519, which hashes by itself. */
  readonly hashes: readonly ArtifactHash[];
}

/** Beside the hash of their size, keys sign with SHA-256: logs take no other for envelopes. */
const HASHES: Readonly<Record<'P-256' | 'P-384' | 'P-521', readonly ArtifactHash[]>> = {
  'P-256': ['sha256'],
  'P-384': ['sha384', 'sha256'],
  'P-521': ['sha512', 'sha256'],
};

/** Reads a key. Throws a refusal or FormatError for one that is too weak, or of a kind that does not sign here. */
export function readSigningKey(spki: Uint8Array): SigningKey {
  const key = parsePublicKey(spki);
  if (key.type === 'ec') return { spki, name: `ECDSA ${key.curve}`, type: 'ec', hashes: HASHES[key.curve] };
  if (key.type === 'ed25519') return { spki, name: 'Ed25519', type: 'ed25519', hashes: [] };
  const weakness = keyWeakness(key);
  if (weakness !== undefined) throw refused(`the RSA key that signed ${weakness}`);
  return { spki, name: `RSA ${key.bits}`, type: 'rsa', hashes: ['sha256'] };
}

const HASH_OF: Readonly<Record<MessageDigest['algorithm'], ArtifactHash>> = {
  SHA2_256: 'sha256',
  SHA2_384: 'sha384',
  SHA2_512: 'sha512',
};

/** The hash of a digest in a bundle. */
export const hashOf = ({ algorithm }: MessageDigest): ArtifactHash => HASH_OF[algorithm];

/** The hashes by which the signature may have been made: that of the bundle's own digest, where it has one. */
export function hashesOf(key: SigningKey, content: BundleContent): readonly ArtifactHash[] {
  if (content.type === 'envelope' || content.digest === undefined) return key.hashes;
  const named = hashOf(content.digest);
  return key.hashes.filter((hash) => hash === named);
}

/** Throws a refusal unless the signature is by the key, over the artifact or over the envelope. Returns the hash by which it was made; undefined for
 * Ed25519. */
export async function checkSignature(
  key: SigningKey,
  content: BundleContent,
  artifact: Artifact,
  crypto: BundleCrypto,
): Promise<ArtifactHash | undefined> {
  const hashes = key.type === 'ed25519' ? [undefined] : hashesOf(key, content);
  if (hashes.length === 0)
    throw refused(`the bundle says that the signature is by a hash that ${key.name} does not sign with`);
  for (const hash of hashes) {
    const holds =
      content.type === 'envelope'
        ? await isEnvelopeSigned(key, hash, content.envelope, crypto)
        : await isArtifactSigned(key, hash, content.signature, artifact, crypto);
    if (holds) return hash;
  }
  const what = content.type === 'envelope' ? 'envelope' : 'artifact';
  throw refused(`the signature over the ${what} does not hold`);
}

const isEnvelopeSigned = (
  { type: keyType, spki }: SigningKey,
  hash: ArtifactHash | undefined,
  envelope: Envelope,
  crypto: BundleCrypto,
): boolean | Promise<boolean> =>
  crypto.verify({ keyType, hash }, spki, preAuthenticationEncoding(envelope), envelope.signature);

async function isArtifactSigned(
  { type: keyType, spki, name }: SigningKey,
  hash: ArtifactHash | undefined,
  signature: Uint8Array,
  artifact: Artifact,
  crypto: BundleCrypto,
): Promise<boolean> {
  if (artifact.bytes !== undefined) return crypto.verify({ keyType, hash }, spki, artifact.bytes, signature);
  if (hash === undefined || keyType === 'ed25519' || crypto.verifyDigest === undefined)
    throw refused(
      `a signature of ${name} cannot be verified by a digest: the artifact itself is needed`,
      'policy',
    );
  const digest = await artifact.digest(hash);
  if (digest === undefined)
    throw refused(`the signature is over the ${hash} digest of the artifact, which is not known`, 'policy');
  return crypto.verifyDigest({ keyType, hash }, spki, digest, signature);
}

/** Throws a refusal unless the digest in the bundle is that of the artifact. Nothing signs it, but a wrong one shows that something was mixed up. */
export async function checkMessageDigest(
  digest: MessageDigest | undefined,
  artifact: Artifact,
): Promise<string> {
  if (digest === undefined) return 'signed; the bundle has no digest of it';
  const hash = hashOf(digest);
  const expected = await artifact.digest(hash);
  if (expected === undefined)
    throw refused(`the bundle has the ${hash} digest of the artifact, which is not known`, 'policy');
  if (!equalBytes(expected, digest.digest))
    throw refused(`the ${hash} digest in the bundle is that of another artifact`);
  return `its ${hash} digest is that of the bundle`;
}
