/**
 * The public key of a request: from PEM or DER to the bytes that go into the certificate and the handle that checks
 * the proof. Both come from the same bytes: OpenSSL never parses the client's own text, so it cannot see another key.
 */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { FormatError } from '../core/errors.ts';
import { decodePem, type PemBlock } from '../core/pem.ts';
import { keyBits, parsePublicKey, spkiOfRsaPublicKey } from '../core/public-key.ts';
import { GOOD_KEYS, judgeKey } from './key-policy.ts';
import { publicKeyPem } from './pem-text.ts';
import { RequestError } from './request-error.ts';
import type { ClientKeyType } from './signing-algorithms.ts';
import { MAX_LENGTHS } from './signing-request.ts';

/** A public key that the policy accepts. Possession is not proven yet. */
export interface RequestKey {
  readonly type: ClientKeyType;
  /** DER SubjectPublicKeyInfo, as it will stand in the certificate. */
  readonly spki: Uint8Array;
  /** Content of its BIT STRING, for the key identifier. */
  readonly keyBits: Uint8Array;
  /** For checking signatures. */
  readonly handle: KeyObject;
}

/** The key in `content`: the first PEM block (`PUBLIC KEY` or `RSA PUBLIC KEY`; what follows is ignored), or DER
 * SubjectPublicKeyInfo. Throws {@link RequestError} `KEY_*`. */
export function readRequestKey(content: Uint8Array): RequestKey {
  if (content.length === 0) {
    throw new RequestError('KEY_MISSING', 'the request holds no public key', {
      hint: 'Send the public key as PEM, or send a certificate signing request.',
    });
  }
  if (content.length > MAX_LENGTHS.key) throw malformed(`is longer than ${MAX_LENGTHS.key} bytes`);
  return keyFromSpki(spkiOf(content));
}

/** The key of a DER SubjectPublicKeyInfo. Throws {@link RequestError} `KEY_*`. */
export function keyFromSpki(spki: Uint8Array): RequestKey {
  if (isP256(spki)) return { type: 'P-256', spki, keyBits: spki.subarray(26), handle: load(spki) };
  const [info, bits] = guarded(() => [parsePublicKey(spki), keyBits(spki)] as const);
  const verdict = judgeKey(info);
  if (!verdict.good) {
    throw new RequestError(verdict.code, `the key ${verdict.reason}`, { hint: GOOD_KEYS });
  }
  return { type: verdict.type, spki, keyBits: bits, handle: load(spki) };
}

// SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING (66 bytes, none unused) … and an uncompressed point.
const P256_HEAD = Uint8Array.from(
  Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex'),
);

function isP256(spki: Uint8Array): boolean {
  if (spki.length !== 91) return false;
  for (let i = 0; i < 27; i++) if (spki[i] !== P256_HEAD[i]) return false;
  return true;
}

/** OpenSSL's handle. A PEM string is by far the cheapest way in: an object or a Buffer costs 10 µs more. */
function load(spki: Uint8Array): KeyObject {
  try {
    return createPublicKey(publicKeyPem(spki));
  } catch (cause) {
    throw malformed('is not a valid point or number of its kind', cause);
  }
}

function spkiOf(content: Uint8Array): Uint8Array {
  const text = Buffer.from(content.buffer, content.byteOffset, content.length).toString('latin1');
  if (!text.includes('-----BEGIN ')) return content;
  const [block] = guarded(() => decodePem(text, 1));
  if (block === undefined) throw malformed('has a damaged PEM header');
  return spkiOfBlock(block);
}

function spkiOfBlock(block: PemBlock): Uint8Array {
  if (block.label === 'PUBLIC KEY') return block.bytes;
  if (block.label === 'RSA PUBLIC KEY') return guarded(() => spkiOfRsaPublicKey(block.bytes));
  throw wrongBlock(block.label);
}

/** PEM types that people send by mistake: what was given, and what to do. */
const MISTAKES: readonly (readonly [label: RegExp, given: string, hint: string])[] = [
  [
    /PRIVATE KEY$/,
    'a private key',
    'Never send a private key: treat this one as compromised, make a new pair and send the public half.',
  ],
  [
    /^(X509 |TRUSTED )?CERTIFICATE$/,
    'a certificate',
    'Send its public key: openssl x509 -in cert.pem -noout -pubkey',
  ],
  [
    /CERTIFICATE REQUEST$/,
    'a certificate signing request',
    'Send it in the field certificateSigningRequest instead of publicKeyRequest.',
  ],
  [/PARAMETERS$/, 'only the parameters of a key', 'Send the public key: openssl pkey -in key.pem -pubout'],
];

function wrongBlock(label: string): RequestError {
  const mistake = MISTAKES.find(([pattern]) => pattern.test(label));
  const given = mistake?.[1] ?? 'a PEM block of another type';
  return new RequestError('KEY_MALFORMED', `the request holds ${given} where a public key is expected`, {
    hint: mistake?.[2] ?? 'Send a PEM block of type PUBLIC KEY.',
  });
}

const malformed = (what: string, cause?: unknown): RequestError =>
  new RequestError('KEY_MALFORMED', `the public key ${what}`, {
    hint: 'Send a PEM block of type PUBLIC KEY, as written by: openssl pkey -in key.pem -pubout',
    cause,
  });

function guarded<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    if (error.code !== 'UNSUPPORTED') throw malformed(`could not be parsed: ${error.message}`, error);
    const { hint = GOOD_KEYS } = error;
    const sentence = error.hint === undefined ? 'the key is of a kind that is not accepted' : error.message;
    throw new RequestError('KEY_UNSUPPORTED', sentence, { hint, cause: error });
  }
}
