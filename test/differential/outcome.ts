/** What a service answered, in a form in which two answers can be compared. */
import { parseCertificate, type CertificateExtension } from '../../core/certificate.ts';
import { DerReader } from '../../core/der-reader.ts';
import { Tag } from '../../core/der-tag.ts';
import { FULCIO_ARC } from '../../core/fulcio-extensions.ts';
import { decodePem } from '../../core/pem.ts';
import { printable } from '../../core/printable.ts';

/** An answer of `POST /api/v1/signingCert` or `/api/v2/signingCert`. */
export interface Outcome {
  readonly status: number;
  /** gRPC code of a refusal. */
  readonly code?: number | undefined;
  /** Message of a refusal. */
  readonly message?: string | undefined;
  readonly certificate?: CertificateView | undefined;
}

/** A certificate without what two CAs never have in common: serial, times, names, signatures and SCTs. */
export interface CertificateView {
  /** Object identifier → criticality, the value's bytes, and the text of Fulcio's own. */
  readonly extensions: Readonly<Record<string, string>>;
  readonly order: readonly string[];
  readonly seconds: number;
  /** Hex. */
  readonly subject: string;
  /** Hex. */
  readonly publicKey: string;
}

const SCT_LIST = '1.3.6.1.4.1.11129.2.4.2';
const AUTHORITY_KEY_ID = '2.5.29.35';

interface Chain {
  readonly chain: { readonly certificates: readonly [string, ...string[]] };
}
interface Body {
  readonly code?: number;
  readonly message?: string;
  readonly details?: readonly { readonly metadata?: { readonly sentence?: string } }[];
  readonly signedCertificateEmbeddedSct?: Chain;
  readonly signedCertificateDetachedSct?: Chain;
}

/** Reads an answer: JSON of v2 and of refusals, the PEM texts of v1. */
export function outcomeOf(status: number, text: string): Outcome {
  if (text.startsWith('-----BEGIN')) return { status, certificate: viewOf(text) };
  const { code, message, details, ...certificates } = JSON.parse(text) as Body;
  const issued = certificates.signedCertificateEmbeddedSct ?? certificates.signedCertificateDetachedSct;
  if (issued === undefined) return { status, code, message: withoutSentence(message, details) };
  return { status, certificate: viewOf(issued.chain.certificates[0]) };
}

/** What a message has of Fulcio's: Mayfly puts its sentence behind it, which the details repeat. */
function withoutSentence(message: string | undefined, details: Body['details']): string | undefined {
  const sentence = details?.[0]?.metadata?.sentence;
  const end = sentence === undefined ? '' : `: ${printable(sentence)}`;
  return end !== '' && message?.endsWith(end) === true ? message.slice(0, -end.length) : message;
}

function viewOf(pem: string): CertificateView {
  const certificate = parseCertificate(decodePem(pem, 8)[0]?.bytes ?? new Uint8Array());
  const extensions = certificate.extensions.filter(({ oid }) => oid !== SCT_LIST);
  return {
    extensions: Object.fromEntries(extensions.map((extension) => [extension.oid, describe(extension)])),
    order: extensions.map(({ oid }) => oid),
    seconds: (certificate.notAfter - certificate.notBefore) / 1000,
    subject: hex(certificate.subject),
    publicKey: hex(certificate.spki),
  };
}

function describe({ oid, critical, value }: CertificateExtension): string {
  const before = critical ? 'critical ' : '';
  // Every CA has its own, but both must have one.
  if (oid === AUTHORITY_KEY_ID) return `${before}(of the CA)`;
  return `${before}${hex(value)}${oid.startsWith(`${FULCIO_ARC}.`) ? ` ${JSON.stringify(textOf(oid, value))}` : ''}`;
}

/** The text of one of Fulcio's extensions, for reading: raw up to number 6, DER above. */
function textOf(oid: string, value: Uint8Array): string {
  const isRaw = Number(oid.slice(FULCIO_ARC.length + 1)) <= 6;
  return Buffer.from(isRaw ? value : new DerReader(value).next(Tag.utf8String).value).toString();
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** What a case says about one side of a difference: all that it names must be so. */
export interface Expectation {
  readonly status?: number;
  readonly message?: string | RegExp;
  /** The text of Fulcio's extensions, by number. */
  readonly extensions?: Readonly<Record<number, string>>;
}

/** What of an expectation is not so; empty when all is. */
export function mismatches(outcome: Outcome, expected: Expectation): string[] {
  const found: string[] = [];
  const { status, message, certificate } = outcome;
  const { extensions = {} } = expected;
  if (expected.status !== undefined && status !== expected.status) found.push(`status ${status}`);
  if (typeof expected.message === 'string' && message !== expected.message)
    found.push(`message ${String(message)}`);
  if (expected.message instanceof RegExp && !expected.message.test(message ?? ''))
    found.push(`message ${String(message)}`);
  for (const [number, text] of Object.entries(extensions)) {
    const value = certificate?.extensions[`${FULCIO_ARC}.${number}`];
    if (value?.endsWith(` ${JSON.stringify(text)}`) !== true)
      found.push(`extension ${number} ${String(value)}`);
  }
  return found;
}
