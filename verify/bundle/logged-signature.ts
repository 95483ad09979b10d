/** What entries of artifact logs must be about, as a bundle has it. */
import type { Bundle } from '../../bundle/format/bundle.ts';
import { preAuthenticationEncoding } from '../../bundle/format/envelope.ts';
import type { LoggedSignature } from '../../rekor/format/logged-signature.ts';
import type { Artifact, ArtifactHash } from './artifact.ts';
import { hashesOf, type BundleKey } from './signing-key.ts';

/** Undefined where the digest by the hash of the signature is not known. `made` is the hash under the signature, if it holds. */
export async function loggedSignatureOf(
  { content, signer }: Bundle,
  key: BundleKey,
  made: ArtifactHash | undefined,
  artifact: Artifact,
): Promise<LoggedSignature | undefined> {
  const verifier =
    signer.type === 'certificate' ? { certificate: signer.certificate, spki: key.spki } : { spki: key.spki };
  if (content.type === 'envelope') {
    const { payload, payloadType, keyId, signature } = content.envelope;
    const encoding = preAuthenticationEncoding(content.envelope);
    const signed = {
      type: 'envelope',
      payload,
      payloadType,
      keyId,
      preAuthenticationEncoding: encoding,
    } as const;
    return { verifier, signature, signed };
  }
  const hash = made ?? (key.type === 'ed25519' ? 'sha512' : hashesOf(key, content)[0]);
  const digest = hash && (await artifact.digest(hash));
  if (hash === undefined || digest === undefined) return undefined;
  return { verifier, signature: content.signature, signed: { type: 'message', hash, digest } };
}
