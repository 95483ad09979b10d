/** `intoto` 0.0.1 and 0.0.2: the signatures of an envelope with an in-toto statement, which itself is not logged. */
import { createHash } from 'node:crypto';
import { toBase64, utf8 } from '../../core/bytes.ts';
import { goBase64 } from '../../core/go/base64.ts';
import type { JsonValue } from '../../core/strict-json.ts';
import { EntryError } from './entry-error.ts';
import { readNamedDigests } from './named-digests.ts';
import { innerText, requireFew, verifySentEnvelope } from './signed-envelope.ts';
import { parseEnvelopeText } from './v1-envelope-text.ts';
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

/** How Rekor calls the content of either version. */
const CONTENT = 'content.content';

/** Reads `spec` of version 0.0.2, where base64 stands in base64. Throws {@link EntryError}. */
export function readIntoto2(spec: Members): ReadEntry {
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
  const proposed = payload && verifyDouble(type, payload, whole);
  const payloadHash = proposed === undefined ? loggedPayloadHash : sha256Hex(proposed.payload);
  // Rekor fails for these with a status of its own.
  if (hash === undefined) throw notCanonical('the envelope has no hash');
  if (payloadHash === undefined) throw notCanonical('the payload has no hash');
  return {
    body: intoto2Body(type, whole, hash, payloadHash),
    verifiers: proposed?.verifiers ?? [],
    namedDigests: proposed === undefined ? [] : readNamedDigests(type, proposed.payload),
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

function verifyDouble(
  payloadType: string,
  payload: Uint8Array,
  signatures: readonly DoubleSignature[],
): { readonly payload: Uint8Array; readonly verifiers: ReadEntry['verifiers'] } {
  const sent = {
    payloadType,
    payload: innerText(payload),
    signatures: signatures.map(({ sig }) => innerText(sig)),
  };
  const keys = entryKeysOf(signatures.map(({ publicKey }) => publicKey));
  const { payload: decoded, signers } = verifySentEnvelope(sent, keys, true);
  requireStandard(sent.payload);
  // A body says which key made which signature; Rekor does not look whether it is right.
  const verifiers = signatures.map(({ sig, publicKey }) => {
    const own = readV1Verifier(publicKey).verifier;
    const signer = signers.get(innerText(sig))?.verifier ?? own;
    if (!Buffer.from(own.certificate ?? own.spki).equals(signer.certificate ?? signer.spki))
      throw refusal('ENTRY_SIGNATURE_INVALID', 'a signature is not by the key that stands beside it');
    return own;
  });
  return { payload: decoded, verifiers };
}

function requireStandard(text: string): void {
  const bytes = goBase64(text);
  if (typeof bytes === 'number')
    throw refusal('ENTRY_MALFORMED', 'the payload is not in standard base64', {
      stock: `could not decode envelope payload: illegal base64 data at input byte ${bytes}`,
    });
}

/** The key stays as it was sent, in whatever lines its PEM was broken. */
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

/** Reads `spec` of version 0.0.1, where the envelope is a text, with one signature. Throws {@link EntryError}. */
export function readIntoto1(spec: Members): ReadEntry {
  const content = objectAt(spec, 'content');
  const pem = bytesAt(spec, 'publicKey', 'public key');
  const logged = {
    hash: sha256At(content, 'hash', `${CONTENT}.hash.content.hash`),
    payloadHash: sha256At(content, 'payloadHash', `${CONTENT}.payloadHash.content.payloadHash`),
  };
  const faults = content === undefined ? ['content in body is required'] : [];
  if (pem === undefined) faults.push('publicKey in body is required');
  if (pem === undefined || faults.length > 0) throw invalidParts(faults);
  const key = readV1Verifier(pem);
  const text = textAt(content, 'envelope') ?? '';
  const publicKey = toBase64(utf8(canonicalPem(key)));
  if (text === '') {
    const { hash, payloadHash } = logged;
    if (hash === undefined) throw refusal('ENTRY_MALFORMED', 'missing hash value for envelope');
    const body = intoto1Body(hash, payloadHash, publicKey);
    return { body, verifiers: [], namedDigests: [], missing: 'missing envelope content' };
  }
  const envelope = parseEnvelopeText(text);
  if (envelope.signatures.length !== 1)
    throw refusal('ENTRY_UNSUPPORTED', 'the envelope does not have exactly one signature', {
      hint: 'An entry of this version has one key: log the envelope as dsse 0.0.1.',
      stock: envelope.signatures.length === 0 ? 'no signature found' : undefined,
    });
  const { payload } = verifyOne(envelope, key);
  requireStandard(envelope.payload);
  return {
    body: intoto1Body(sha256Hex(text), sha256Hex(payload), publicKey),
    verifiers: [key.verifier],
    namedDigests: readNamedDigests(envelope.payloadType, payload),
    missing: undefined,
  };
}

/** Rekor leaves out the beginning of its sentences here. */
function verifyOne(
  envelope: Parameters<typeof verifySentEnvelope>[0],
  key: ReturnType<typeof readV1Verifier>,
): ReturnType<typeof verifySentEnvelope> {
  try {
    return verifySentEnvelope(envelope, [() => key], true);
  } catch (error) {
    if (!(error instanceof EntryError)) throw error;
    const { code, message, hint, cause, stock } = error;
    throw refusal(code, message, {
      ...(hint === undefined ? {} : { hint }),
      cause,
      stock: stock?.message.replace('could not verify envelope: ', ''),
    });
  }
}

const intoto1Body = (hash: string, payloadHash: string | undefined, publicKey: string): JsonValue => ({
  apiVersion: '0.0.1',
  kind: 'intoto',
  spec: {
    content: {
      hash: sha256Json(hash),
      ...(payloadHash === undefined ? {} : { payloadHash: sha256Json(payloadHash) }),
    },
    publicKey,
  },
});
