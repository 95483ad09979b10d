/**
 * The two signing requests of Fulcio's wire protocol, from JSON bytes to a {@link SigningRequest}.
 *
 * The mapping is proto3 JSON as lenient as Fulcio's own gateway: camelCase or snake_case names, unknown fields
 * ignored, bytes in either base64 alphabet, padded or not, null for unset, an empty body for an empty message, and
 * whatever follows the first JSON value left unread. A missing token or key is no fault of the JSON: they stay empty
 * here and are refused where Fulcio refuses them, the token first.
 */
import { isUtf8 } from 'node:buffer';
import { MAX_LENGTHS, type KeyRequest, type SigningRequest } from '../../ca/signing-request.ts';
import { firstJsonValue } from '../http/first-json-value.ts';
import { hasTooManyValues, MAX_VALUES } from '../../core/json-bounds.ts';
import { TransportError } from '../http/transport-error.ts';

type Message = Readonly<Record<string, unknown>>;

const NOTHING: Message = {};
const NO_BYTES = new Uint8Array(0);
const STANDARD = /^[A-Za-z0-9+/]*={0,2}$/;
const URL_SAFE = /^[A-Za-z0-9_-]*={0,2}$/;

const malformed = (sentence: string, hint?: string): TransportError =>
  new TransportError('BODY_MALFORMED', sentence, { hint });

/** The request of `POST /api/v2/signingCert`. `authorization` is the header's value; the token in the body wins.
 * Throws {@link TransportError} `BODY_MALFORMED`. */
export function decodeSigningRequestV2(body: Buffer, authorization: string | undefined): SigningRequest {
  const message = parse(body);
  const credentials = submessage(message, 'credentials', 'credentials');
  const token = text(credentials, 'oidcIdentityToken', 'oidc_identity_token');
  return { token: token === '' ? bearer(authorization) : token, key: keyV2(message) };
}

/** The request of `POST /api/v1/signingCert`, whose message has no place for a token and whose CSR, if there is one,
 * wins. Throws {@link TransportError} `BODY_MALFORMED`. */
export function decodeSigningRequestV1(body: Buffer, authorization: string | undefined): SigningRequest {
  const message = parse(body);
  const publicKey = submessage(message, 'publicKey', 'publicKey');
  text(publicKey, 'algorithm', 'algorithm');
  const content = bytes(publicKey, 'content', MAX_LENGTHS.key);
  const proof = bytes(message, 'signedEmailAddress', MAX_LENGTHS.signature);
  const pem = bytes(message, 'certificateSigningRequest', MAX_LENGTHS.request);
  const key: KeyRequest = pem.length > 0 ? { kind: 'csr', pem } : { kind: 'publicKey', content, proof };
  return { token: bearer(authorization), key };
}

/** The token of an Authorization header as Fulcio reads it: one `Bearer ` is taken off, spelled exactly so, and
 * anything else is the token itself. */
export function bearer(authorization: string | undefined): string {
  if (authorization === undefined) return '';
  return authorization.startsWith('Bearer ') ? authorization.slice(7) : authorization;
}

function keyV2(message: Message): KeyRequest {
  const csr = field(message, 'certificateSigningRequest', 'certificate_signing_request');
  const request = field(message, 'publicKeyRequest', 'public_key_request');
  if (csr !== undefined && request !== undefined) {
    throw malformed(
      'publicKeyRequest and certificateSigningRequest are both set; they exclude each other',
      'Send the public key with its proof of possession, or a certificate signing request.',
    );
  }
  if (csr !== undefined)
    return { kind: 'csr', pem: base64(csr, 'certificateSigningRequest', MAX_LENGTHS.request) };
  const pair = object(request, 'publicKeyRequest');
  const publicKey = submessage(pair, 'publicKey', 'public_key');
  checkEnum(field(publicKey, 'algorithm', 'algorithm'));
  const content = utf8(text(publicKey, 'content', 'content'), MAX_LENGTHS.key);
  const proof = field(pair, 'proofOfPossession', 'proof_of_possession');
  return {
    kind: 'publicKey',
    content,
    proof: optionalBytes(proof, 'proofOfPossession', MAX_LENGTHS.signature),
  };
}

function parse(body: Buffer): Message {
  if (!isUtf8(body)) throw malformed('the request body is not UTF-8 text');
  if (hasTooManyValues(body)) {
    throw malformed(
      `the request body has more than ${MAX_VALUES} values`,
      'A signing request is a token and a key: ten values.',
    );
  }
  const json = body.toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    // The engine's own message quotes the text around the fault, and a token may stand there: it goes nowhere.
    value = firstJsonValue(json);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Message;
  throw malformed(
    `the request body must be a JSON object, not ${kindOf(value)}`,
    'Send application/json as Fulcio documents it for this path.',
  );
}

/** The field's value; undefined when it is absent or null. */
function field(message: Message, name: string, snakeName: string): unknown {
  const value = message[name] ?? undefined;
  if (snakeName === name) return value;
  const other = message[snakeName] ?? undefined;
  if (value !== undefined && other !== undefined) {
    throw malformed(`${name} and ${snakeName} are the same field, and both are set`);
  }
  return value ?? other;
}

function object(value: unknown, name: string): Message {
  if (value === undefined) return NOTHING;
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Message;
  throw malformed(`${name} must be an object, not ${kindOf(value)}`);
}

const submessage = (message: Message, name: string, snakeName: string): Message =>
  object(field(message, name, snakeName), name);

function text(message: Message, name: string, snakeName: string): string {
  const value = field(message, name, snakeName);
  if (value === undefined) return '';
  if (typeof value === 'string') return value;
  throw malformed(`${name} must be a string, not ${kindOf(value)}`);
}

const bytes = (message: Message, name: string, limit: number): Uint8Array =>
  optionalBytes(field(message, name, name), name, limit);

const optionalBytes = (value: unknown, name: string, limit: number): Uint8Array =>
  value === undefined ? NO_BYTES : base64(value, name, limit);

/** Go's reading of base64: one alphabet throughout, padding exact or absent, line breaks skipped. Of what is longer than
 * `limit` bytes only so much is decoded that it is still longer: a request may have to wait for the keys of its issuer. */
function base64(value: unknown, name: string, limit: number): Uint8Array {
  if (typeof value !== 'string') throw malformed(`${name} must be a base64 string, not ${kindOf(value)}`);
  const bare = value.includes('\n') || value.includes('\r') ? value.replace(/[\r\n]/g, '') : value;
  const isPadded = bare.endsWith('=');
  const lengthIsRight = isPadded ? bare.length % 4 === 0 : bare.length % 4 !== 1;
  if (!lengthIsRight || !(STANDARD.test(bare) || URL_SAFE.test(bare))) {
    throw malformed(`${name} is not base64`, 'Both alphabets are taken, with and without padding.');
  }
  return Buffer.from(bare.slice(0, 4 * Math.ceil((limit + 1) / 3)), 'base64');
}

/** The bytes of UTF-8, limited in the same way: a character has one byte at least. */
const utf8 = (value: string, limit: number): Uint8Array => Buffer.from(value.slice(0, limit + 1), 'utf8');

/** Fulcio reads the key's kind from the key and ignores this field, as long as it could be an enum. */
function checkEnum(value: unknown): void {
  if (value === undefined || typeof value === 'string' || Number.isInteger(value)) return;
  throw malformed(`algorithm must be the name or number of a key algorithm, not ${kindOf(value)}`);
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'text that is not JSON';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
