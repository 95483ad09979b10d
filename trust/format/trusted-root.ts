/** `trusted_root.json`: whom verifiers of a Sigstore trust, and for which times (`dev.sigstore.trustroot.v1.TrustedRoot`). */
import { toBase64 } from '../../core/bytes.ts';
import { rfc3339 } from '../../core/clock.ts';
import { FormatError } from '../../core/errors.ts';
import type { JsonValue } from '../../core/strict-json.ts';
import { MessageReader } from './message-reader.ts';

/** The only media type that every client takes. */
export const TRUSTED_ROOT_MEDIA_TYPE = 'application/vnd.dev.sigstore.trustedroot+json;version=0.1';

/** From when to when something counts, both ends inclusive; milliseconds since the epoch. Without an end it still does. One that ends where it begins has no time at all: what is to be believed in nothing ends so. */
export interface Window {
  readonly start: number;
  readonly end?: number | undefined;
}

/** Whether `time` lies in `window`. */
export const isWithin = ({ start, end }: Window, time: number): boolean =>
  start <= time && (end === undefined || (time <= end && start < end));

/** In words: from when to when. */
export const describeWindow = ({ start, end }: Window): string =>
  [
    ...(Number.isFinite(start) ? [`from ${rfc3339(start)}`] : []),
    ...(end === undefined ? [] : [`until ${rfc3339(end)}`]),
  ].join(' ') || 'always';

/** A certificate authority, or a timestamp authority. */
export interface TrustedAuthority {
  /** Of the root, as people are shown it. */
  readonly organization: string;
  readonly commonName: string;
  /** Of a CA its base URL, of a timestamp authority the whole URL of its endpoint. Nothing is fetched there. */
  readonly uri: string;
  /** DER: issuing CA (or the certificate that signs timestamps) first, root last; at least one. */
  readonly chain: readonly Uint8Array[];
  readonly window: Window;
  /** Who runs it; newer files have it. */
  readonly operator?: string | undefined;
}

/** Kinds of the keys of logs, with their numbers in `sigstore_common.proto`. */
export const LOG_KEY_DETAILS = {
  PKCS1_RSA_PKCS1V5: 1,
  PKIX_ECDSA_P256_SHA_256: 5,
  PKIX_ED25519: 7,
  PKIX_RSA_PKCS1V15_2048_SHA256: 9,
  PKIX_RSA_PKCS1V15_3072_SHA256: 10,
  PKIX_RSA_PKCS1V15_4096_SHA256: 11,
  PKIX_ECDSA_P384_SHA_384: 12,
  PKIX_ECDSA_P521_SHA_512: 13,
} as const;

/** The kind of a log's key. */
export type LogKeyDetails = keyof typeof LOG_KEY_DETAILS;

/** A log: of certificates, or of artifacts. */
export interface TrustedLogInstance {
  readonly baseUrl: string;
  /** As `keyDetails` says; mostly DER SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  readonly keyDetails: LogKeyDetails;
  readonly window: Window;
  /** Of a certificate log and of Rekor v1 SHA-256 of the key; of Rekor v2 the key hash of its signed notes. */
  readonly logId: Uint8Array;
  readonly checkpointKeyId?: Uint8Array | undefined;
  /** Who runs it; newer files have it. */
  readonly operator?: string | undefined;
}

/** Whom verifiers trust. */
export interface TrustedRoot {
  readonly certificateAuthorities: readonly TrustedAuthority[];
  readonly certificateLogs: readonly TrustedLogInstance[];
  readonly timestampAuthorities: readonly TrustedAuthority[];
  /** Rekor. */
  readonly artifactLogs: readonly TrustedLogInstance[];
}

/** Trust in nobody. */
export const EMPTY_TRUSTED_ROOT: TrustedRoot = {
  certificateAuthorities: [],
  certificateLogs: [],
  timestampAuthorities: [],
  artifactLogs: [],
};

/** Reads the text of a `trusted_root.json`. Throws {@link FormatError} that names the member: nothing in the file stays unread. Certificates and
 * keys are bytes yet; who uses them reads them. */
export const parseTrustedRoot = (text: string): TrustedRoot =>
  readTrustedRoot(MessageReader.of(text, 'trusted root'));

/** The same for one that is part of another document; leaves nothing unread in it. */
export function readTrustedRoot(reader: MessageReader): TrustedRoot {
  const mediaType = reader.text('mediaType');
  if (mediaType !== TRUSTED_ROOT_MEDIA_TYPE)
    throw new FormatError('UNSUPPORTED', `the trusted root is not of media type ${TRUSTED_ROOT_MEDIA_TYPE}`);
  const root = {
    artifactLogs: withOneKeyEach(reader.messages('tlogs', readLog)),
    certificateAuthorities: reader.messages('certificateAuthorities', readAuthority),
    certificateLogs: withOneKeyEach(reader.messages('ctlogs', readLog)),
    timestampAuthorities: reader.messages('timestampAuthorities', readAuthority),
  };
  reader.end();
  return root;
}

function readAuthority(reader: MessageReader): TrustedAuthority {
  const subject = reader.optionalMessage('subject', (name) => ({
    organization: name.optionalText('organization') ?? '',
    commonName: name.optionalText('commonName') ?? '',
  }));
  const chain = reader.message('certChain', (inner) =>
    inner.messages('certificates', (certificate) => certificate.bytes('rawBytes')),
  );
  if (chain.length === 0)
    throw new FormatError('MALFORMED', 'an authority of the trusted root has no certificate');
  const { organization, commonName } = subject ?? { organization: '', commonName: '' };
  const uri = reader.optionalText('uri') ?? '';
  const operator = reader.optionalText('operator');
  return { organization, commonName, uri, chain, window: reader.message('validFor', readWindow), operator };
}

function readLog(reader: MessageReader): TrustedLogInstance {
  reader.choice('hashAlgorithm', { SHA2_256: 1 });
  const key = reader.message('publicKey', (inner) => ({
    publicKey: inner.bytes('rawBytes'),
    keyDetails: inner.choice('keyDetails', LOG_KEY_DETAILS),
    window: inner.message('validFor', readWindow),
  }));
  const keyId = (inner: MessageReader): Uint8Array => inner.bytes('keyId');
  return {
    ...key,
    baseUrl: reader.optionalText('baseUrl') ?? '',
    logId: reader.message('logId', keyId),
    checkpointKeyId: reader.optionalMessage('checkpointKeyId', keyId),
    operator: reader.optionalText('operator'),
  };
}

/** Refuses one id for two keys: of such entries each client takes another one. Several windows of one log are several entries. */
function withOneKeyEach(logs: readonly TrustedLogInstance[]): readonly TrustedLogInstance[] {
  const keys = new Map<string, string>();
  for (const { logId, publicKey, keyDetails } of logs) {
    const [id, key] = [toBase64(logId), `${keyDetails} ${toBase64(publicKey)}`];
    if ((keys.get(id) ?? key) !== key)
      throw new FormatError('MALFORMED', `the trusted root has two keys for the log id ${id.slice(0, 88)}`);
    keys.set(id, key);
  }
  return logs;
}

/** A window without a start would have begun before any clock; Sigstore's clients refuse it for logs. */
const readWindow = (reader: MessageReader): Window => ({
  start: reader.time('start'),
  end: reader.optionalTime('end'),
});

/** The JSON of a trusted root, which every stock client takes: all four lists are there, `operator` and `checkpointKeyId` only where they were set.
 * Times are written in whole seconds, the start rounded down and the end up. */
export function trustedRootJson(root: TrustedRoot): JsonValue {
  return {
    mediaType: TRUSTED_ROOT_MEDIA_TYPE,
    tlogs: root.artifactLogs.map(logJson),
    certificateAuthorities: root.certificateAuthorities.map(authorityJson),
    ctlogs: root.certificateLogs.map(logJson),
    timestampAuthorities: root.timestampAuthorities.map(authorityJson),
  };
}

/** The text of `trusted_root.json`. */
export const encodeTrustedRoot = (root: TrustedRoot): string =>
  `${JSON.stringify(trustedRootJson(root), undefined, 2)}\n`;

const authorityJson = (authority: TrustedAuthority): JsonValue => ({
  subject: { organization: authority.organization, commonName: authority.commonName },
  uri: authority.uri,
  certChain: { certificates: authority.chain.map((der) => ({ rawBytes: toBase64(der) })) },
  validFor: windowJson(authority.window),
  ...(authority.operator === undefined ? {} : { operator: authority.operator }),
});

const logJson = (log: TrustedLogInstance): JsonValue => ({
  baseUrl: log.baseUrl,
  hashAlgorithm: 'SHA2_256',
  publicKey: {
    rawBytes: toBase64(log.publicKey),
    keyDetails: log.keyDetails,
    validFor: windowJson(log.window),
  },
  logId: { keyId: toBase64(log.logId) },
  ...(log.checkpointKeyId === undefined ? {} : { checkpointKeyId: { keyId: toBase64(log.checkpointKeyId) } }),
  ...(log.operator === undefined ? {} : { operator: log.operator }),
});

const windowJson = ({ start, end }: Window): JsonValue => ({
  start: rfc3339(start),
  ...(end === undefined ? {} : { end: rfc3339(Math.ceil(end / 1000) * 1000) }),
});
