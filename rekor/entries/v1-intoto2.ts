/** `intoto` 0.0.2: the signatures of an envelope with an in-toto statement, which itself is not logged. Base64 stands in base64. */
import { createHash } from 'node:crypto';
import { equalBytes, toBase64, utf8 } from '../../core/bytes.ts';
import { goBase64 } from '../../core/go/base64.ts';
import type { JsonValue } from '../../core/strict-json.ts';
import { EntryError } from './entry-error.ts';
import type { EntryKey } from './entry-key.ts';
import { readNamedDigests } from './named-digests.ts';
import { innerText, requireFew, requireStandard, verifySentEnvelope } from './signed-envelope.ts';
import type { SignatureChecks } from './signature-checks.ts';
import {
  base64,
  bytesAt,
  invalidParts,
  listAt,
  membersOf,
  objectAt,
  refusal,
  sha256At,
  sha256Json,
  textAt,
  type Members,
} from './v1-members.ts';
import type { ReadEntry } from './v1-read-entry.ts';
import { canonicalPem, entryKeysOf, readV1Verifier } from './v1-verifier.ts';

const sha256Hex = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');

/** How Rekor calls the content. */
const CONTENT = 'content.content';

/** Reads `spec`. Throws {@link EntryError}. */
export function readIntoto2(spec: Members, checks: SignatureChecks): ReadEntry {
  const content = objectAt(spec, 'content');
  const envelope = objectAt(content, 'envelope');
  const payloadType = textAt(envelope, 'payloadType');
  const payload = bytesAt(envelope, 'payload', 'payload');
  const list = listAt(envelope, 'signatures');
  requireFew(list ?? [], 'signatures');
  const signatures = (list ?? []).flatMap((one) => {
    const members = membersOf(one);
    return members === undefined ? [] : [readSignature(members)];
  });
  const hash = sha256At(content, 'hash', `${CONTENT}.hash.content.hash`);
  const loggedPayloadHash = sha256At(content, 'payloadHash', `${CONTENT}.payloadHash.content.payloadHash`);
  requireParts(payloadType, list, signatures);
  const type = payloadType ?? '';
  const whole = signatures.flatMap(({ sig, publicKey, keyid }) =>
    sig === undefined || publicKey === undefined ? [] : [{ sig, publicKey, keyid }],
  );
  const proposed = payload && readDouble({ payloadType: type, payload, signatures: whole }, checks);
  const payloadHash = proposed === undefined ? loggedPayloadHash : sha256Hex(proposed.payload);
  // Rekor fails for these with a status of its own.
  if (hash === undefined) throw notCanonical('the envelope has no hash');
  if (payloadHash === undefined) throw notCanonical('the payload has no hash');
  return {
    body: intoto2Body(type, whole, hash, payloadHash),
    verifiers: proposed?.verifiers ?? [],
    namedDigests: proposed?.namedDigests ?? [],
    missing: proposed === undefined ? 'missing envelope content' : undefined,
  };
}

interface DoubleSignature {
  readonly sig: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly keyid: string;
}

const readSignature = (signature: Members): Partial<DoubleSignature> & { keyid: string } => {
  const sig = textAt(signature, 'sig');
  const publicKey = textAt(signature, 'publicKey');
  return {
    ...(sig === undefined ? {} : { sig: base64(sig, 'signature') }),
    ...(publicKey === undefined ? {} : { publicKey: base64(publicKey, 'public key') }),
    keyid: textAt(signature, 'keyid') ?? '',
  };
};

function requireParts(
  payloadType: string | undefined,
  list: readonly JsonValue[] | undefined,
  signatures: readonly Partial<DoubleSignature>[],
): void {
  const at = `${CONTENT}.envelope.content.envelope`;
  if (payloadType === undefined) throw invalidParts([`${at}.payloadType in body is required`]);
  if (list === undefined) throw invalidParts([`${at}.signatures in body is required`]);
  if (signatures.length === 0) throw invalidParts([`${at}.signatures in body should have at least 1 items`]);
  for (const [i, { sig, publicKey }] of signatures.entries()) {
    const missing = publicKey === undefined ? 'publicKey' : sig === undefined ? 'sig' : undefined;
    if (missing !== undefined) throw invalidParts([`${at}.signatures.${i}.${missing} in body is required`]);
  }
}

interface DoubleEnvelope {
  readonly payloadType: string;
  readonly payload: Uint8Array;
  readonly signatures: readonly DoubleSignature[];
}

/** What is read of an envelope in which base64 stands in base64. */
interface ReadDouble extends Pick<ReadEntry, 'verifiers' | 'namedDigests'> {
  readonly payload: Uint8Array;
}

function readDouble(envelope: DoubleEnvelope, checks: SignatureChecks): ReadDouble {
  // The body says itself which key made which signature.
  if (!checks.areRequired)
    return { payload: requireStandard(innerText(envelope.payload)), verifiers: [], namedDigests: [] };
  requireOneSpelling(envelope.signatures);
  return verifyDouble(envelope, checks);
}

function verifyDouble(
  { payloadType, payload, signatures }: DoubleEnvelope,
  checks: SignatureChecks,
): ReadDouble {
  const sent = {
    payloadType,
    payload: innerText(payload),
    signatures: signatures.map(({ sig }) => innerText(sig)),
  };
  const keys = entryKeysOf(signatures.map(({ publicKey }) => publicKey));
  const { payload: decoded, signers } = verifySentEnvelope(sent, keys, true, checks);
  requireStandard(sent.payload);
  // A body says which key made which signature; Rekor does not look whether it is right.
  const verifiers = signatures.map(({ sig, publicKey }) => {
    const own = readV1Verifier(publicKey);
    const signer = signers.get(innerText(sig))?.verifier ?? own.verifier;
    const { certificate, spki } = own.verifier;
    if (!Buffer.from(certificate ?? spki).equals(signer.certificate ?? signer.spki))
      throw refusal('ENTRY_SIGNATURE_INVALID', 'a signature is not by the key that stands beside it');
    requireOwnSpelling(own, publicKey);
    return own.verifier;
  });
  return { payload: decoded, verifiers, namedDigests: readNamedDigests(payloadType, decoded) };
}

/** UTF-16 units of the id of a key. It is the sender's word, which no signature covers. */
const MAX_KEY_ID = 256;

/** The body has signatures, ids and keys as they were sent: with several spellings, one signature would make any number of entries. */
function requireOneSpelling(signatures: readonly DoubleSignature[]): void {
  const texts = signatures.map(({ sig }) => innerText(sig));
  if (new Set(texts).size < texts.length)
    throw refusal('ENTRY_MALFORMED', 'the envelope has a signature twice');
  for (const { sig } of signatures) requireCanonical(sig);
  for (const { keyid } of signatures)
    if (keyid.length > MAX_KEY_ID || /\p{Cc}/u.test(keyid))
      throw refusal(
        'ENTRY_MALFORMED',
        `a keyid has more than ${MAX_KEY_ID} characters, or a control character`,
      );
}

function requireCanonical(sig: Uint8Array): void {
  const text = innerText(sig);
  const bytes = goBase64(text);
  // What is no base64 at all is refused where it is decoded.
  if (typeof bytes === 'number' && !/[-_]/.test(text)) return;
  if (typeof bytes !== 'number' && equalBytes(sig, utf8(toBase64(bytes)))) return;
  throw refusal('ENTRY_MALFORMED', 'a signature of the envelope is not in canonical standard base64', {
    hint: 'Send it padded, on one line, and not URL-safe.',
  });
}

function requireOwnSpelling(key: EntryKey, sent: Uint8Array): void {
  const canonical = utf8(canonicalPem(key));
  // sigstore-js has sent it with the last line feed and without.
  if (equalBytes(sent, canonical) || equalBytes(sent, canonical.subarray(0, -1))) return;
  throw refusal('ENTRY_MALFORMED', 'a public key of the envelope is not in canonical PEM', {
    hint: 'Send one block, its base64 in lines of 64 characters, each with a line feed alone.',
  });
}

/** `hash` is the sender's word: nothing here shows the envelope that it is to be of. */
const intoto2Body = (
  payloadType: string,
  signatures: readonly DoubleSignature[],
  hash: string,
  payloadHash: string,
): JsonValue => ({
  apiVersion: '0.0.2',
  kind: 'intoto',
  spec: {
    content: {
      envelope: {
        payloadType,
        signatures: signatures.map(({ sig, publicKey, keyid }) => ({
          ...(keyid === '' ? {} : { keyid }),
          publicKey: toBase64(publicKey),
          sig: toBase64(sig),
        })),
      },
      hash: sha256Json(hash),
      payloadHash: sha256Json(payloadHash),
    },
  },
});

const notCanonical = (sentence: string): EntryError =>
  new EntryError('ENTRY_MALFORMED', sentence, {
    hint: 'Send content.hash with the SHA-256 of the envelope.',
    stock: { status: 500, code: 500, message: 'error generating canonicalized entry', by: 'handler' },
  });
