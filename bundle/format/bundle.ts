/** Sigstore bundles (`dev.sigstore.bundle.v1.Bundle`) of the versions 0.1 to 0.3: a signature with all that one needs to verify it, as JSON. */
import { FormatError } from '../../core/errors.ts';
import { MessageReader } from '../../trust/format/message-reader.ts';
import { readEntry, type BundleEntry } from './bundle-entry.ts';
import { readEnvelope, type Envelope } from './envelope.ts';

/** The versions of the format. */
export type BundleVersion = '0.1' | '0.2' | '0.3';

/** Media type → version. Version 0.3 has two media types. */
const MEDIA_TYPES: ReadonlyMap<string, BundleVersion> = new Map([
  ['application/vnd.dev.sigstore.bundle+json;version=0.1', '0.1'],
  ['application/vnd.dev.sigstore.bundle+json;version=0.2', '0.2'],
  ['application/vnd.dev.sigstore.bundle+json;version=0.3', '0.3'],
  ['application/vnd.dev.sigstore.bundle.v0.3+json', '0.3'],
]);

/** The media type of new bundles. */
export const BUNDLE_MEDIA_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json';

/** Hashes of artifacts, with their numbers in `sigstore_common.proto`. */
export const ARTIFACT_HASHES = { SHA2_256: 1, SHA2_384: 2, SHA2_512: 3 } as const;

/** What a bundle calls a hash. */
export type ArtifactHashName = keyof typeof ARTIFACT_HASHES;

/** The digest of the artifact as the bundle has it. Nothing signs it. */
export interface MessageDigest {
  readonly algorithm: ArtifactHashName;
  readonly digest: Uint8Array;
}

/** Who signed, by the bundle's own word: a certificate, or only a hint at a key that the verifier has. */
export type BundleSigner =
  | {
      readonly type: 'certificate';
      /** DER. */
      readonly certificate: Uint8Array;
      /** DER: what stood behind it in a bundle of version 0.1 or 0.2. None of it is trusted. */
      readonly chain: readonly Uint8Array[];
    }
  | {
      readonly type: 'key';
      /** Any text that helps to find the key. Nothing signs it. */
      readonly hint: string;
    };

/** What was signed: an artifact, which is not in the bundle, or a DSSE envelope, which is. */
export type BundleContent =
  | {
      readonly type: 'message';
      readonly digest: MessageDigest | undefined;
      readonly signature: Uint8Array;
    }
  | { readonly type: 'envelope'; readonly envelope: Envelope };

/** A bundle. Nothing in it is verified. */
export interface Bundle {
  readonly mediaType: string;
  readonly version: BundleVersion;
  readonly signer: BundleSigner;
  readonly content: BundleContent;
  /** Entries of artifact logs, such as Rekor. */
  readonly entries: readonly BundleEntry[];
  /** RFC 3161, DER: whole answers of authorities, or the tokens in them. */
  readonly timestamps: readonly Uint8Array[];
}

/** Far above what any client writes, and what a verifier may be made to work through. */
/** UTF-16 units of its text: bills of materials of 24 MiB, in base64. */
const MAX_BUNDLE_LENGTH = 33 * 1024 * 1024;
/** Log entries that a bundle may have, and timestamps. */
export const MAX_PROOFS = 32;
const MAX_CERTIFICATES = 16;

/** Reads the text of a bundle: what is not known in it, what is there twice, and what its version does not have is an error. Throws
 * {@link FormatError} that names the member. */
export function parseBundle(text: string): Bundle {
  const reader = MessageReader.of(text, 'bundle', MAX_BUNDLE_LENGTH);
  const mediaType = reader.text('mediaType');
  const version = MEDIA_TYPES.get(mediaType);
  if (version === undefined)
    throw new FormatError('UNSUPPORTED', 'the bundle is not of the version 0.1, 0.2 or 0.3');
  const material = reader.message('verificationMaterial', (inner) => readMaterial(inner, version));
  const content = readContent(reader);
  reader.end();
  return { mediaType, version, ...material, content };
}

function readMaterial(
  reader: MessageReader,
  version: BundleVersion,
): Pick<Bundle, 'signer' | 'entries' | 'timestamps'> {
  const signer = readSigner(reader, version);
  const entries = reader.messages('tlogEntries', readEntry);
  atMost(entries, MAX_PROOFS, 'log entries');
  const timestamps =
    reader.optionalMessage('timestampVerificationData', (data) =>
      data.messages('rfc3161Timestamps', (timestamp) => timestamp.bytes('signedTimestamp')),
    ) ?? [];
  atMost(timestamps, MAX_PROOFS, 'timestamps');
  return { signer, entries, timestamps };
}

function readSigner(reader: MessageReader, version: BundleVersion): BundleSigner {
  const rawBytes = (inner: MessageReader): Uint8Array => inner.bytes('rawBytes');
  const single = reader.optionalMessage('certificate', rawBytes);
  const chain = reader.optionalMessage('x509CertificateChain', (inner) =>
    inner.messages('certificates', rawBytes),
  );
  const hint = reader.optionalMessage('publicKey', (inner) => inner.optionalText('hint') ?? '');
  if ([single, chain, hint].filter((one) => one !== undefined).length !== 1)
    throw malformed('the bundle does not name exactly one certificate, chain or key');
  if (hint !== undefined) return { type: 'key', hint };
  const isNew = version === '0.3';
  if (isNew && chain !== undefined)
    throw malformed('a bundle of version 0.3 has one certificate, and this one has a chain');
  if (!isNew && single !== undefined)
    throw malformed(`a bundle of version ${version} has a chain, and this one has one certificate`);
  const [certificate, ...others] = chain ?? [single];
  if (certificate === undefined) throw malformed('the chain of the bundle is empty');
  atMost(others, MAX_CERTIFICATES, 'certificates');
  return { type: 'certificate', certificate, chain: others.filter((one) => one !== undefined) };
}

function readContent(reader: MessageReader): BundleContent {
  const message = reader.optionalMessage('messageSignature', readMessage);
  const envelope = reader.optionalMessage('dsseEnvelope', readEnvelope);
  if (message !== undefined && envelope === undefined) return message;
  if (message === undefined && envelope !== undefined) return { type: 'envelope', envelope };
  throw malformed('the bundle does not hold exactly one signature or envelope');
}

const readMessage = (reader: MessageReader): Extract<BundleContent, { readonly type: 'message' }> => ({
  type: 'message',
  digest: reader.optionalMessage('messageDigest', (inner) => ({
    algorithm: inner.choice('algorithm', ARTIFACT_HASHES),
    digest: inner.bytes('digest'),
  })),
  signature: filled(reader.bytes('signature'), 'signature'),
});

function filled(bytes: Uint8Array, what: string): Uint8Array {
  if (bytes.length === 0) throw malformed(`the ${what} in the bundle is empty`);
  return bytes;
}

function atMost(list: readonly unknown[], most: number, what: string): void {
  if (list.length > most)
    throw new FormatError('TOO_LARGE', `the bundle has more than ${most} ${what}: ${list.length}`);
}

const malformed = (sentence: string): FormatError => new FormatError('MALFORMED', sentence);
