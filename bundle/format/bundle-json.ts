/** Bundles as stock clients write them. */
import { toBase64, utf8Text } from '../../core/bytes.ts';
import type { JsonValue } from '../../core/strict-json.ts';
import type { BundleEntry, EntryProof } from './bundle-entry.ts';
import type { Bundle, BundleContent, BundleSigner } from './bundle.ts';

/** The text of a bundle, one line. A member without a value is left out, and numbers of 64 bits are texts, as Protobuf writes them; but an index of 0 and an
 * empty list of hashes are there, because not every client reads a bundle without them. */
export const encodeBundle = (bundle: Bundle): string => JSON.stringify(bundleJson(bundle));

const bundleJson = ({ mediaType, version, signer, entries, timestamps, content }: Bundle): JsonValue => ({
  mediaType,
  verificationMaterial: {
    ...signerJson(signer, version !== '0.3'),
    tlogEntries: entries.map(entryJson),
    ...(timestamps.length === 0
      ? {}
      : {
          timestampVerificationData: {
            rfc3161Timestamps: timestamps.map((der) => ({ signedTimestamp: toBase64(der) })),
          },
        }),
  },
  ...contentJson(content),
});

function signerJson(signer: BundleSigner, isChain: boolean): Record<string, JsonValue> {
  if (signer.type === 'key') return { publicKey: { hint: signer.hint } };
  const [certificate, ...chain] = [signer.certificate, ...signer.chain].map((der) => ({
    rawBytes: toBase64(der),
  }));
  if (certificate === undefined) return {};
  return isChain ? { x509CertificateChain: { certificates: [certificate, ...chain] } } : { certificate };
}

function contentJson(content: BundleContent): Record<string, JsonValue> {
  if (content.type === 'envelope') {
    const { payload, payloadType, signature, keyId } = content.envelope;
    const signatures = [{ sig: toBase64(signature), keyid: keyId }];
    return { dsseEnvelope: { payload: toBase64(payload), payloadType, signatures } };
  }
  const { digest, signature } = content;
  const messageDigest = digest && { algorithm: digest.algorithm, digest: toBase64(digest.digest) };
  return {
    messageSignature: { ...(messageDigest && { messageDigest }), signature: toBase64(signature) },
  };
}

const entryJson = (entry: BundleEntry): JsonValue => ({
  logIndex: String(entry.logIndex),
  logId: { keyId: toBase64(entry.logId) },
  kindVersion: { kind: entry.kind, version: entry.version },
  ...(entry.integratedTime === 0 ? {} : { integratedTime: String(entry.integratedTime) }),
  ...(entry.promise && { inclusionPromise: { signedEntryTimestamp: toBase64(entry.promise) } }),
  ...(entry.proof && { inclusionProof: proofJson(entry.proof) }),
  canonicalizedBody: toBase64(entry.body),
});

const proofJson = ({ index, size, root, hashes, checkpoint }: EntryProof): JsonValue => ({
  logIndex: String(index),
  rootHash: toBase64(root),
  treeSize: String(size),
  hashes: hashes.map(toBase64),
  ...(checkpoint && { checkpoint: { envelope: utf8Text(checkpoint) } }),
});
