/** Timestamp authorities, and tokens of theirs every part of which can be bent. */
import { createHash, sign } from 'node:crypto';
import { platformCrypto } from '../../../cli/verify/platform-crypto.ts';
import * as x509 from '../../../ca/x509.ts';
import { utf8 } from '../../../core/bytes.ts';
import { parseCertificate } from '../../../core/certificate.ts';
import { contextTag, Tag } from '../../../core/der-tag.ts';
import { explicit, octetString, oid, sequence, set, tlv, unsignedInteger } from '../../../core/der-writer.ts';
import type { TrustedAuthority, Window } from '../../../trust/format/trusted-root.ts';
import {
  CONTENT_TYPE,
  IMPRINT_HASHES,
  MESSAGE_DIGEST,
  SIGNED_DATA,
  SIGNING_CERTIFICATE_V2,
  SIGSTORE_POLICY,
  TST_INFO,
} from '../../../tsa/format/object-identifiers.ts';
import {
  verifyTimestamp,
  type TimestampVerifyRequest,
  type TimestampVerification,
} from '../../../verify/timestamp.ts';
import { caNode, type CaNode, type CaOptions } from '../../ca/support/ca-certificates.ts';
import { NOW } from '../../ca/support/authority.ts';

/** What is timestamped. */
export const MESSAGE = utf8('a signature');

/** An authority directly below a root. */
export interface TestAuthorityChain {
  readonly root: CaNode;
  readonly leaf: CaNode;
}

/** The options of a good certificate for timestamps. */
export const GOOD_LEAF: CaOptions = {
  name: 'time',
  ca: false,
  keyUsage: x509.KeyUsageFlags.digitalSignature,
  extra: [new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.timeStamping], true)],
};

/** Makes one; what is wrong with it can be chosen. */
export async function timestampNodes(
  leaf: Partial<CaOptions> = {},
  root: Partial<CaOptions> = {},
): Promise<TestAuthorityChain> {
  const above = await caNode({ name: 'root of time', ...root });
  return { root: above, leaf: await caNode({ ...GOOD_LEAF, parent: above, ...leaf }) };
}

/** The same in a trusted root. */
export const trusted = (
  nodes: readonly { readonly der: Uint8Array }[],
  window: Window = { start: 0 },
): TrustedAuthority => ({
  organization: 'Test',
  commonName: 'Test',
  uri: 'https://time.example/api/v1/timestamp',
  chain: nodes.map(({ der }) => der),
  window,
});

const integer = (value: number): Uint8Array => unsignedInteger(Uint8Array.of(value));
const algorithm = (dotted: string): Uint8Array => sequence(oid(dotted));
const digest = (hash: string, data: Uint8Array): Uint8Array => createHash(hash).update(data).digest();

/** An Attribute with those values. */
export const attribute = (type: string, ...values: readonly Uint8Array[]): Uint8Array =>
  sequence(oid(type), set(...values));

/** ESSCertIDv2 of a certificate by SHA-256. */
export const certificateId = (der: Uint8Array, ...rest: readonly Uint8Array[]): Uint8Array =>
  sequence(octetString(digest('sha256', der)), ...rest);

/** The attribute with those identifiers. */
export const signingCertificate = (...ids: readonly Uint8Array[]): Uint8Array =>
  attribute(SIGNING_CERTIFICATE_V2, sequence(sequence(...ids)));

/** What of a token is not as usual. Lists stand in the place of what is usual. */
export interface TokenParts {
  readonly time?: string;
  readonly message?: Uint8Array;
  /** Behind the time in the TSTInfo. */
  readonly rest?: readonly Uint8Array[];
  readonly content?: Uint8Array;
  readonly contentType?: string;
  readonly signedContentType?: string;
  readonly messageDigest?: Uint8Array;
  readonly attributes?: (usual: readonly Uint8Array[]) => readonly Uint8Array[];
  readonly certificates?: readonly Uint8Array[];
  /** Behind the certificates. */
  readonly lists?: readonly Uint8Array[];
  readonly signerId?: Uint8Array;
  readonly signerVersion?: number;
  readonly signatureAlgorithm?: string;
  /** With their tag. */
  readonly unsignedAttributes?: Uint8Array;
  readonly signers?: (usual: Uint8Array) => readonly Uint8Array[];
  /** PKIStatusInfo; null for the token alone. */
  readonly status?: Uint8Array | null;
}

/** `YYYYMMDDhhmmssZ` of a time. */
export const genTime = (ms: number): string =>
  `${new Date(ms).toISOString().slice(0, 19).replaceAll(/\D/g, '')}Z`;

/** DER of a TimeStampResp by that authority over {@link MESSAGE}, at the second of {@link NOW}. */
export function tokenOf({ leaf }: TestAuthorityChain, parts: TokenParts = {}): Uint8Array {
  const content = parts.content ?? tstInfo(parts);
  const certificate = parseCertificate(leaf.der);
  const usual = [
    attribute(CONTENT_TYPE, oid(parts.signedContentType ?? TST_INFO)),
    attribute(MESSAGE_DIGEST, octetString(parts.messageDigest ?? digest('sha256', content))),
    signingCertificate(certificateId(leaf.der)),
  ];
  const attributes = (parts.attributes?.(usual) ?? usual).map((one) => one);
  const signature = sign('sha256', set(...attributes), leaf.privateKey);
  const sha256 = algorithm(IMPRINT_HASHES.sha256.oid);
  const signer = sequence(
    integer(parts.signerVersion ?? 1),
    parts.signerId ?? sequence(certificate.issuer, unsignedInteger(certificate.serial)),
    sha256,
    tlv(contextTag(0, true), ...attributes),
    algorithm(parts.signatureAlgorithm ?? '1.2.840.10045.4.3.2'),
    octetString(signature),
    ...(parts.unsignedAttributes === undefined ? [] : [parts.unsignedAttributes]),
  );
  const certificates = parts.certificates ?? [leaf.der];
  const signedData = sequence(
    integer(3),
    set(sha256),
    sequence(oid(parts.contentType ?? TST_INFO), explicit(0, octetString(content))),
    ...(certificates.length === 0 ? [] : [tlv(contextTag(0, true), ...certificates)]),
    ...(parts.lists ?? []),
    set(...(parts.signers?.(signer) ?? [signer])),
  );
  const token = sequence(oid(SIGNED_DATA), explicit(0, signedData));
  return parts.status === null ? token : sequence(parts.status ?? sequence(integer(0)), token);
}

function tstInfo({ time = genTime(NOW), message = MESSAGE, rest = [] }: TokenParts): Uint8Array {
  const imprint = sequence(algorithm(IMPRINT_HASHES.sha256.oid), octetString(digest('sha256', message)));
  const when = tlv(Tag.generalizedTime, utf8(time));
  return sequence(integer(1), oid(SIGSTORE_POLICY), imprint, integer(7), when, ...rest);
}

/** Verifies a timestamp over {@link MESSAGE}. */
export const judge = (
  timestamp: Uint8Array,
  authorities: readonly TrustedAuthority[],
  more: Partial<TimestampVerifyRequest> = {},
): Promise<TimestampVerification> =>
  verifyTimestamp({
    timestamp,
    authorities,
    digestOf: (hash) => digest(hash, MESSAGE),
    crypto: platformCrypto,
    ...more,
  });

/** `ok`, or the failed steps with the first sentence. */
export const verdictOf = ({ ok, steps }: TimestampVerification): string =>
  ok
    ? 'ok'
    : steps
        .filter((step) => !step.ok)
        .map(({ name, detail }) => `${name}: ${detail}`)
        .join(' | ');
