/** Puts a bundle together (Sigstore bundle v0.3), by Sigstore's own package. */
import { decodePem } from '../../core/pem.ts';
import type { SignedTimestamp } from './timestamps.ts';

/** What was signed: a file, or an envelope (DSSE). */
export type SignedContent =
  | { readonly kind: 'artifact'; readonly digest: Uint8Array }
  | { readonly kind: 'envelope'; readonly payload: Uint8Array; readonly payloadType: string };

/** What goes into a bundle. */
interface BundleParts {
  readonly content: SignedContent;
  readonly signature: Uint8Array;
  readonly certificatePem: string;
  readonly timestamps: readonly SignedTimestamp[];
}

/** The text of the bundle, a line of JSON. */
export async function bundleText({
  content,
  signature,
  certificatePem,
  timestamps,
}: BundleParts): Promise<string> {
  // Loaded where there is something to put together.
  const { bundleToJSON, toDSSEBundle, toMessageSignatureBundle } = await import('@sigstore/bundle');
  const [certificate] = decodePem(certificatePem);
  const common = {
    signature: Buffer.from(signature),
    certificate: Buffer.from(certificate?.bytes ?? []),
    certificateChain: false,
  };
  const bundle =
    content.kind === 'artifact'
      ? toMessageSignatureBundle({ ...common, digest: Buffer.from(content.digest) })
      : toDSSEBundle({
          ...common,
          artifact: Buffer.from(content.payload),
          artifactType: content.payloadType,
        });
  bundle.verificationMaterial.timestampVerificationData = {
    rfc3161Timestamps: timestamps.map(({ answer }) => ({ signedTimestamp: Buffer.from(answer) })),
  };
  return `${JSON.stringify(bundleToJSON(bundle))}\n`;
}
