/** What the body of an entry says, for those who read and search a log: whose signatures it is about, and what they are over. */
import { fromBase64, toHex, utf8, utf8Text } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import { decodePem, encodePem } from '../../core/pem.ts';
import { parseStrictJson, type JsonValue } from '../../core/strict-json.ts';
import { HASHES_BY_NAME } from './entry-digest.ts';

/** Whom a signature is of. */
export interface BodyVerifier {
  /** In its one spelling, PEM: what Rekor finds keys and certificates by. Of a chain, all of it. */
  readonly pem: Uint8Array;
  /** DER. A chain has its leaf first. */
  readonly blocks: readonly Uint8Array[];
  readonly isCertificate: boolean;
}

/** What a body says. */
export interface BodyContent {
  readonly kind: string;
  readonly version: string;
  readonly verifiers: readonly BodyVerifier[];
  /** Of the artifact or payload, and of the envelope's text where the body has it: `algorithm:hex`, in lower case. */
  readonly digests: readonly string[];
}

/** A body is at most 65,535 bytes. */
const LIMITS = { length: 65_535, depth: 16 };
/** Certificates of one signature. */
const MAX_CHAIN = 16;

type Content = Pick<BodyContent, 'verifiers' | 'digests'>;

/** `kind version` → what such a body says. */
const READERS: ReadonlyMap<string, (spec: JsonValue | undefined) => Content> = new Map([
  ['hashedrekord 0.0.1', hashedrekord1],
  ['dsse 0.0.1', dsse1],
  ['intoto 0.0.1', intoto1],
  ['intoto 0.0.2', intoto2],
  ['hashedrekord 0.0.2', hashedrekord2],
]);

/** Reads a body. Throws {@link FormatError} for one of a kind that no log of ours has, or not of its form. */
export function readBodyContent(body: Uint8Array): BodyContent {
  const json = parseStrictJson(utf8Text(body), LIMITS);
  const kind = text(json, 'kind');
  const version = text(json, 'apiVersion');
  const read = READERS.get(`${kind} ${version}`);
  if (read === undefined)
    throw new FormatError('UNSUPPORTED', 'the log entry is of a kind that is not known here');
  return { kind, version, ...read(member(json, 'spec')) };
}

function hashedrekord1(spec: JsonValue | undefined): Content {
  return {
    verifiers: [pemVerifier(text(spec, 'signature', 'publicKey', 'content'))],
    digests: [digestText(member(spec, 'data', 'hash'))],
  };
}

function dsse1(spec: JsonValue | undefined): Content {
  const signatures = list(spec, 'signatures');
  return {
    verifiers: signatures.map((signature) => pemVerifier(text(signature, 'verifier'))),
    digests: [digestText(member(spec, 'payloadHash')), digestText(member(spec, 'envelopeHash'))],
  };
}

function intoto1(spec: JsonValue | undefined): Content {
  return {
    verifiers: [pemVerifier(text(spec, 'publicKey'))],
    digests: [
      digestText(member(spec, 'content', 'payloadHash')),
      digestText(member(spec, 'content', 'hash')),
    ],
  };
}

function intoto2(spec: JsonValue | undefined): Content {
  const signatures = list(spec, 'content', 'envelope', 'signatures');
  return {
    verifiers: signatures.map((signature) => pemVerifier(text(signature, 'publicKey'))),
    digests: [digestText(member(spec, 'content', 'payloadHash'))],
  };
}

const HASHES: ReadonlyMap<string, string> = new Map(Object.entries(HASHES_BY_NAME));

function hashedrekord2(spec: JsonValue | undefined): Content {
  const entry = member(spec, 'hashedRekordV002');
  const verifier = member(entry, 'signature', 'verifier');
  const isCertificate = member(verifier, 'x509Certificate') !== undefined;
  const der = fromBase64(text(verifier, isCertificate ? 'x509Certificate' : 'publicKey', 'rawBytes'));
  const algorithm = HASHES.get(text(entry, 'data', 'algorithm'));
  if (algorithm === undefined) throw malformed('data.algorithm');
  return {
    verifiers: [
      { pem: utf8(encodePem(isCertificate ? CERTIFICATE : KEY, der)), blocks: [der], isCertificate },
    ],
    digests: [`${algorithm}:${toHex(fromBase64(text(entry, 'data', 'digest')))}`],
  };
}

const [CERTIFICATE, KEY] = ['CERTIFICATE', 'PUBLIC KEY'];

/** Rekor v1 has keys and certificates as base64 of PEM. */
function pemVerifier(base64: string): BodyVerifier {
  const blocks = decodePem(utf8Text(fromBase64(base64)), MAX_CHAIN);
  const isCertificate = blocks[0]?.label === CERTIFICATE;
  if (blocks[0] === undefined || !(isCertificate || blocks[0].label === KEY)) throw malformed('the key');
  const pem = blocks.map(({ label, bytes }) => encodePem(label, bytes)).join('');
  return { pem: utf8(pem), blocks: blocks.map(({ bytes }) => bytes), isCertificate };
}

const digestText = (hash: JsonValue | undefined): string =>
  `${text(hash, 'algorithm')}:${text(hash, 'value')}`.toLowerCase();

function member(value: JsonValue | undefined, ...path: readonly string[]): JsonValue | undefined {
  let found = value;
  for (const name of path)
    found =
      typeof found === 'object' && found !== null && Object.hasOwn(found, name)
        ? (found as Readonly<Record<string, JsonValue>>)[name]
        : undefined;
  return found;
}

function text(value: JsonValue | undefined, ...path: readonly string[]): string {
  const found = member(value, ...path);
  if (typeof found === 'string') return found;
  throw malformed(path.join('.'));
}

function list(value: JsonValue | undefined, ...path: readonly string[]): readonly JsonValue[] {
  const found = member(value, ...path);
  if (Array.isArray(found)) return found as readonly JsonValue[];
  throw malformed(path.join('.'));
}

const malformed = (what: string): FormatError =>
  new FormatError('MALFORMED', `the body of the log entry is not of its kind: ${what}`);
