/** What an entry of a log says, as JSON has it: the same for commands and for searches over HTTP. */
import { toHex } from '../core/bytes.ts';
import { parseCertificate, type Certificate } from '../core/certificate.ts';
import { rfc3339 } from '../core/clock.ts';
import { FormatError } from '../core/errors.ts';
import { FULCIO_EXTENSIONS } from '../core/fulcio-extensions.ts';
import type { FoundEntry } from '../ct-log/entry-search.ts';
import { readBodyContent, type BodyContent, type BodyVerifier } from '../rekor/format/body-content.ts';
import { certificateExtensions, certificateIssuers, certificateNames } from '../core/certificate-names.ts';
import { sha256 } from '../tlog/core/sha256.ts';

/** Members of a JSON object. */
export type Facts = Readonly<Record<string, unknown>>;

const NAMES: ReadonlyMap<number, string> = new Map(
  FULCIO_EXTENSIONS.map(({ number, name }) => [number, name]),
);

const namedExtensions = (values: ReadonlyMap<number, string>): Facts =>
  Object.fromEntries([...values].map(([number, value]) => [NAMES.get(number) ?? String(number), value]));

/** Of an entry about a certificate. */
export function certificateFacts(entry: FoundEntry): Facts {
  const { index, timestamp } = entry;
  const place = { index, time: rfc3339(timestamp), timestamp };
  if ('unreadable' in entry) return { ...place, unreadable: entry.unreadable };
  return {
    ...place,
    identity: entry.identity?.value ?? entry.names[0] ?? null,
    identityType: entry.identity?.type ?? null,
    ...(entry.names.length > 1 ? { names: entry.names } : {}),
    issuer: entry.issuer ?? null,
    ...(entry.issuers.length > 1 ? { issuers: entry.issuers } : {}),
    serial: entry.serial,
    notBefore: rfc3339(entry.notBefore),
    notAfter: rfc3339(entry.notAfter),
    authority: entry.authority,
    caKeySha256: entry.caKeySha256 ?? null,
    keySha256: toHex(sha256(entry.spki)),
    extensions: namedExtensions(entry.extensions),
  };
}

/** An entry about signatures, as far as it says something of itself. */
export interface SignatureEntry {
  readonly logIndex: number;
  readonly leafHash: Uint8Array;
  readonly body: Uint8Array;
  /** Seconds since the epoch; undefined in a log of the second API. */
  readonly integratedTime: number | undefined;
  /** That the body is withheld. */
  readonly redaction?: object | undefined;
}

/** Whose signature an entry is about. */
export interface SignerFacts {
  readonly identities: readonly string[];
  readonly issuer: string | undefined;
  readonly serial?: string;
  readonly certificateSha256?: string;
  /** Undefined for a certificate that cannot be read. */
  readonly keySha256?: string;
  readonly notBefore?: string;
  readonly notAfter?: string;
  readonly extensions?: Facts;
}

/** Of an entry about signatures. */
export function signatureFacts(entry: SignatureEntry): Facts {
  const { logIndex, leafHash, integratedTime, body, redaction } = entry;
  const place = {
    logIndex,
    leafHash: toHex(leafHash),
    ...(integratedTime === undefined ? {} : { time: rfc3339(integratedTime * 1000) }),
  };
  if (redaction !== undefined) return { ...place, redacted: true };
  const content = contentOf(body);
  if (content === undefined) return { ...place, unreadable: true };
  const { kind, version, digests, verifiers } = content;
  return { ...place, kind: `${kind} ${version}`, digests, signers: verifiers.map(signerFacts) };
}

/** What the body of an entry says; undefined for one that cannot be read. */
export const contentOf = (body: Uint8Array): BodyContent | undefined => readable(() => readBodyContent(body));

/** Whose a signature is. */
export function signerFacts(verifier: BodyVerifier): SignerFacts {
  const { blocks, isCertificate } = verifier;
  const [der = new Uint8Array()] = blocks;
  if (!isCertificate) return { identities: [], issuer: undefined, keySha256: toHex(sha256(der)) };
  const certificateSha256 = toHex(sha256(der));
  const certificate = certificateOf(verifier);
  if (certificate === undefined) return { identities: [], issuer: undefined, certificateSha256 };
  return {
    identities: certificateNames(certificate),
    issuer: certificateIssuers(certificate)[0],
    serial: toHex(certificate.serial),
    certificateSha256,
    keySha256: toHex(sha256(certificate.spki)),
    notBefore: rfc3339(certificate.notBefore),
    notAfter: rfc3339(certificate.notAfter),
    extensions: namedExtensions(certificateExtensions(certificate)),
  };
}

/** The certificate that a signature came with, if it did with one that can be read. */
export const certificateOf = ({ blocks: [der], isCertificate }: BodyVerifier): Certificate | undefined =>
  isCertificate && der !== undefined ? readable(() => parseCertificate(der)) : undefined;

function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}
