/** Puts a bundle together (Sigstore bundle v0.3), by Sigstore's own package: signature, certificate, timestamps and entries of logs. */
import { decodePem } from '../../core/pem.ts';
import { encodeBundle } from '../../bundle/format/bundle-json.ts';
import { parseBundle } from '../../bundle/format/bundle.ts';
import type { SigningService } from '../../trust/format/signing-config.ts';
import { requestTimestamp } from './request-timestamp.ts';

/** What was signed: an artifact, or an envelope (DSSE). */
export type SignedContent =
  | { readonly kind: 'artifact'; readonly digest: Uint8Array }
  | { readonly kind: 'envelope'; readonly payload: Uint8Array; readonly payloadType: string };

/** What a bundle is made of, and who is asked to vouch for its time. */
interface BundleParts {
  readonly content: SignedContent;
  readonly signature: Uint8Array;
  readonly certificatePem: string;
  readonly timestampAuthorities: readonly URL[];
  readonly artifactLogs: readonly SigningService[];
}

/** The text of the bundle, a line of JSON; nothing in it is verified. Rejects with CommandError where an authority or a log does not answer as asked. */
export async function bundleText(parts: BundleParts): Promise<string> {
  const { content, signature, certificatePem, timestampAuthorities, artifactLogs } = parts;
  // Asked before the packages load, and answered meanwhile.
  const timestamps = Promise.all(timestampAuthorities.map((url) => requestTimestamp(url, signature)));
  timestamps.catch(() => undefined);
  const { bundleToJSON, toDSSEBundle, toMessageSignatureBundle } = await import('@sigstore/bundle');
  const [certificate] = decodePem(certificatePem);
  const signed = {
    signature: Buffer.from(signature),
    certificate: Buffer.from(certificate?.bytes ?? []),
    certificateChain: false,
  };
  const bundle =
    content.kind === 'artifact'
      ? toMessageSignatureBundle({ ...signed, digest: Buffer.from(content.digest) })
      : toDSSEBundle({
          ...signed,
          artifact: Buffer.from(content.payload),
          artifactType: content.payloadType,
        });
  const material = bundle.verificationMaterial;
  if (artifactLogs.length > 0) {
    // It brings an HTTP client of its own, which takes long to load.
    const { logSignature } = await import('./log-signature.ts');
    material.tlogEntries = [...(await logSignature(bundle.content, certificatePem, artifactLogs))];
  }
  const rfc3161Timestamps = (await timestamps).map((answer) => ({ signedTimestamp: Buffer.from(answer) }));
  material.timestampVerificationData = { rfc3161Timestamps };
  // The package leaves out an index of 0, without which not every client reads a bundle.
  return `${encodeBundle(parseBundle(JSON.stringify(bundleToJSON(bundle))))}\n`;
}
