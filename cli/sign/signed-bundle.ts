/** Puts a bundle together (Sigstore bundle v0.3): signature, certificate, timestamps and entries of logs. */
import { encodeBundle } from '../../bundle/format/bundle-json.ts';
import { BUNDLE_MEDIA_TYPE, type BundleContent } from '../../bundle/format/bundle.ts';
import { decodePem } from '../../core/pem.ts';
import type { SigningService } from '../../trust/format/signing-config.ts';
import { logSignature } from './log-signature.ts';
import { requestTimestamp } from './request-timestamp.ts';

/** What a bundle is made of, and who is asked to vouch for its time. */
export interface BundleParts {
  /** With the signature. */
  readonly content: BundleContent;
  readonly certificatePem: string;
  readonly timestampAuthorities: readonly URL[];
  readonly artifactLogs: readonly SigningService[];
}

/** The text of the bundle, a line of JSON; nothing in it is verified. Rejects with CommandError where an authority or a log does not answer as asked. */
export async function bundleText(parts: BundleParts): Promise<string> {
  const { content, certificatePem, timestampAuthorities, artifactLogs } = parts;
  const signature = content.type === 'message' ? content.signature : content.envelope.signature;
  // Before the logs, which keep for good what they are given: a signature without its timestamps is in none.
  const timestamps = await Promise.all(timestampAuthorities.map((url) => requestTimestamp(url, signature)));
  const certificate = decodePem(certificatePem)[0]?.bytes ?? new Uint8Array();
  const bundle = {
    mediaType: BUNDLE_MEDIA_TYPE,
    version: '0.3',
    signer: { type: 'certificate', certificate, chain: [] },
    content,
  } as const;
  const entries = artifactLogs.length === 0 ? [] : await logSignature(content, certificate, artifactLogs);
  return `${encodeBundle({ ...bundle, entries, timestamps })}\n`;
}
