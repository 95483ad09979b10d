/** The key of a bundle's signature, and whether the signature holds. */
import { equalBytes } from '../../core/bytes.ts';
import { keyWeakness } from '../../core/key-weakness.ts';
import { parsePublicKey } from '../../core/public-key.ts';
import type { BundleContent, MessageDigest } from '../../bundle/format/bundle.ts';
import { preAuthenticationEncoding, type Envelope } from '../../bundle/format/envelope.ts';
import { HASHES_BY_NAME } from '../../rekor/format/entry-digest.ts';
import { refused, type VerifyError } from '../verify-error.ts';
import type { Artifact, ArtifactHash, BundleCrypto } from './artifact.ts';

/** A key that signatures are verified with. */
export interface BundleKey {
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
export function readBundleKey(spki: Uint8Array): BundleKey {
  const key = parsePublicKey(spki);
  if (key.type === 'ec') return { spki, name: `ECDSA ${key.curve}`, type: 'ec', hashes: HASHES[key.curve] };
  if (key.type === 'ed25519') return { spki, name: 'Ed25519', type: 'ed25519', hashes: [] };
  const weakness = keyWeakness(key);
  if (weakness !== undefined) throw refused(`the RSA key that signed ${weakness}`);
  return { spki, name: `RSA ${key.bits}`, type: 'rsa', hashes: ['sha256'] };
}

/** The hash of a digest in a bundle. */
export const hashOf = ({ algorithm }: MessageDigest): ArtifactHash => HASHES_BY_NAME[algorithm];

/** The hashes by which the signature may have been made: that of the bundle's own digest, where it has one. */
export function hashesOf(key: BundleKey, content: BundleContent): readonly ArtifactHash[] {
  if (content.type === 'envelope' || content.digest === undefined) return key.hashes;
  const named = hashOf(content.digest);
  return key.hashes.filter((hash) => hash === named);
}

/** How a signature was found to be made. */
export interface FoundSignature {
  /** The hash under it; undefined for pure Ed25519. */
  readonly hash: ArtifactHash | undefined;
  /** Key and hash, for people. */
  readonly name: string;
}

/** Throws a refusal unless the signature is by the key, over the artifact or over the envelope. Returns how it was made. */
export async function checkSignature(
  key: BundleKey,
  content: BundleContent,
  artifact: Artifact,
  crypto: BundleCrypto,
): Promise<FoundSignature> {
  if (content.type === 'message' && key.type === 'ed25519')
    return checkEd25519(key, content.signature, artifact, crypto);
  const hashes = key.type === 'ed25519' ? [undefined] : hashesOf(key, content);
  if (hashes.length === 0)
    throw refused(`the bundle says that the signature is by a hash that ${key.name} does not sign with`);
  const unknown: ArtifactHash[] = [];
  for (const hash of hashes) {
    const holds =
      content.type === 'envelope'
        ? await isEnvelopeSigned(key, hash, content.envelope, crypto)
        : await isArtifactSigned(key, hash, content.signature, artifact, crypto);
    if (holds === true) return { hash, name: hash === undefined ? key.name : `${key.name} with ${hash}` };
    if (holds === undefined && hash !== undefined) unknown.push(hash);
  }
  if (unknown.length > 0)
    throw refused(
      `the signature is over the ${unknown.join(' or ')} digest of the artifact, which is not known`,
      'policy',
    );
  throw refused(
    `the signature over the ${content.type === 'envelope' ? 'envelope' : 'artifact'} does not hold`,
  );
}

const isEnvelopeSigned = (
  { type: keyType, spki }: BundleKey,
  hash: ArtifactHash | undefined,
  envelope: Envelope,
  crypto: BundleCrypto,
): boolean | Promise<boolean> =>
  crypto.verify({ keyType, hash }, spki, preAuthenticationEncoding(envelope), envelope.signature);

/** Undefined where that digest of the artifact is not known. */
async function isArtifactSigned(
  { type: keyType, spki, name }: BundleKey,
  hash: ArtifactHash | undefined,
  signature: Uint8Array,
  artifact: Artifact,
  crypto: BundleCrypto,
): Promise<boolean | undefined> {
  if (artifact.bytes !== undefined) return crypto.verify({ keyType, hash }, spki, artifact.bytes, signature);
  if (hash === undefined || keyType === 'ed25519' || crypto.verifyDigest === undefined)
    throw needsBytes(name);
  const digest = await artifact.digest(hash);
  return digest && crypto.verifyDigest({ keyType, hash }, spki, digest, signature);
}

const needsBytes = (name: string): VerifyError =>
  refused(`a signature of ${name} cannot be verified by a digest: the artifact itself is needed`, 'policy');

/** Keys sign artifacts purely, and by Ed25519ph where a log must see the signature: it has the digest alone. One is never good for the other. */
async function checkEd25519(
  key: BundleKey,
  signature: Uint8Array,
  artifact: Artifact,
  crypto: BundleCrypto,
): Promise<FoundSignature> {
  const { spki, name } = key;
  if (artifact.bytes !== undefined && (await isArtifactSigned(key, undefined, signature, artifact, crypto)))
    return { hash: undefined, name };
  const scheme = { keyType: 'ed25519', hash: 'sha512' } as const;
  const digest = crypto.verifyDigest && (await artifact.digest(scheme.hash));
  if (digest !== undefined && (await crypto.verifyDigest?.(scheme, spki, digest, signature)) === true)
    return { hash: scheme.hash, name: `${name}ph` };
  if (artifact.bytes === undefined) throw needsBytes(name);
  const more = crypto.verifyDigest === undefined ? ` as one of ${name}, and ${name}ph is not known here` : '';
  throw refused(`the signature over the artifact does not hold${more}`);
}

/** Throws a refusal for a digest in the bundle that is not the artifact's. Nothing signs it, and one that is right, or not there, says nothing of the signature; but a wrong
 * one shows that something was mixed up. */
export async function requireNoOtherDigest(
  digest: MessageDigest | undefined,
  artifact: Artifact,
): Promise<string> {
  if (digest === undefined) return 'the bundle has no digest of it: the signature alone says which it is';
  const hash = hashOf(digest);
  const expected = await artifact.digest(hash);
  if (expected === undefined)
    throw refused(`the bundle has the ${hash} digest of the artifact, which is not known`, 'policy');
  if (!equalBytes(expected, digest.digest))
    throw refused(`the ${hash} digest in the bundle is that of another artifact`);
  return `its ${hash} digest is that of the bundle`;
}
